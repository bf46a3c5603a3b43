//! Hand-computed figures, and the three properties that holds must have.

use super::*;
use crate::catalogue::row::PriceRow;

fn terms_at(text: &str, multiplier: &str) -> Terms {
    let row = PriceRow::parse(&format!("model = \"m\"\n{text}").parse().unwrap()).unwrap();
    Terms::new(Arc::new(PriceEntry::from_row(&row)), Multiplier::parse(multiplier).unwrap())
}

fn terms(text: &str) -> Terms {
    terms_at(text, "1")
}

fn count(n: i64) -> TokenCount {
    TokenCount::parse(n).unwrap()
}

fn usage(input: i64, output: i64) -> Usage {
    Usage { input: count(input), output: count(output), ..Usage::default() }
}

const FULL: &str = "input = 2.5\ncached_input = 0.25\ncache_write = 3.125\noutput = 15\nreasoning = 16
    audio_input = 40\naudio_output = 80\nimage_input = 5\nimage_output = 30
    long_context = { above = 1000, input = 5, cached_input = 0.5, output = 22.5 }
    tiers = { priority = { input = 4, output = 24 }, flex = { input = 1.25, output = 7.5 } }
    per_request = 0.001\nper_tool_call = 0.01\nmax_input_tokens = 5000\nimage_tokens = 300";

#[test]
fn charges_by_hand() {
    let nanos = |terms: &Terms, usage: &Usage, tier| terms.charge(usage, tier).unwrap().nanos();
    // 7 × 500 n$ + 11 × 1 500 n$
    let demo = terms("input = 0.5\noutput = 1.5");
    assert_eq!(nanos(&demo, &usage(7, 11), None), 20_000);
    // 1 × 37.5 n$, rounded up once: not per kind.
    let small = terms("input = 0.0375\noutput = 0.0375");
    assert_eq!(nanos(&small, &usage(1, 0), None), 38);
    assert_eq!(nanos(&small, &usage(1, 1), None), 75);
    // × 1.1 = 41.25 and 82.5
    let dearer = terms_at("input = 0.0375\noutput = 0.0375", "1.1");
    assert_eq!(nanos(&dearer, &usage(1, 0), None), 42);
    assert_eq!(nanos(&dearer, &usage(1, 1), None), 83);
    assert_eq!(nanos(&terms("input = 0.000000001\noutput = 0"), &usage(1, 0), None), 1);
    // The least that is more than nothing.
    let least = terms_at("input = 0.000000001\noutput = 0", "0.000000001");
    assert_eq!(nanos(&least, &usage(1, 0), None), 1);
    let full = terms(FULL);
    // 1 000 000 + 1 000 × 2 500 + 10 × 15 000
    assert_eq!(nanos(&full, &usage(1_000, 10), None), 3_650_000);
    // one more token of input and everything is long: 1 000 000 + 1 001 × 5 000 + 10 × 22 500
    assert_eq!(nanos(&full, &usage(1_001, 10), None), 6_230_000);
    assert_eq!(nanos(&full, &usage(100, 10), Some(Tier::Priority)), 1_640_000);
    assert_eq!(nanos(&full, &usage(100, 10), Some(Tier::Flex)), 1_200_000);
    assert_eq!(nanos(&full, &usage(100, 10), Some(Tier::Default)), 1_400_000);
    let calls =
        Usage { tool_calls: count(2), cached_input: count(10), reasoning: count(1), ..Usage::default() };
    assert_eq!(nanos(&full, &calls, None), 1_000_000 + 20_000_000 + 2_500 + 16_000);
    assert_eq!(nanos(&full, &Usage::default(), None), 1_000_000);
    assert_eq!(nanos(&Terms::free(), &usage(1_000, 1_000), None), 0);
    assert_eq!(nanos(&terms_at(FULL, "0"), &usage(1_000, 1_000), None), 0);
}

#[test]
fn holds_by_hand() {
    let hold = |terms: &Terms, bound: &Bound, cap| terms.hold(bound, cap).unwrap().nanos();
    let text = Bound { text_tokens: 100, choices: 1, tier: TierAsk::Default, ..Bound::default() };
    let full = terms(FULL);
    // cache writes (3.125) are dearer than input; image output (30) is the dearest without speech
    assert_eq!(hold(&full, &text, 10), 1_000_000 + 312_500 + 300_000);
    assert_eq!(hold(&full, &Bound { choices: 3, ..text }, 10), 1_000_000 + 312_500 + 900_000);
    assert_eq!(hold(&full, &Bound { choices: 0, ..text }, 10), 1_000_000 + 312_500 + 300_000);
    assert_eq!(hold(&full, &Bound { speech: Speech::Spoken, ..text }, 10), 1_000_000 + 312_500 + 800_000);
    assert_eq!(hold(&full, &Bound { predicted_tokens: 4, ..text }, 10), 1_000_000 + 312_500 + 420_000);
    assert_eq!(hold(&full, &Bound { tool_calls: 10, ..text }, 0), 1_000_000 + 312_500 + 100_000_000);
    assert_eq!(hold(&full, &Bound { images: 1, ..text }, 0), 1_000_000 + 312_500 + 300 * 5_000);
    assert_eq!(hold(&full, &Bound { audio_tokens: 7, ..text }, 0), 1_000_000 + 312_500 + 280_000);
    // priority input is 4
    assert_eq!(hold(&full, &Bound { tier: TierAsk::Auto, ..text }, 0), 1_000_000 + 400_000);
    // unseen: 5 000 tokens at the dearest of all, audio
    assert_eq!(hold(&full, &Bound { unseen_input: UnseenInput::Some, ..text }, 0), 1_000_000 + 200_000_000);
    let unseen = Bound { unseen_input: UnseenInput::Some, ..text };
    assert_eq!(hold(&terms("input = 1\noutput = 1"), &unseen, 0), UNKNOWN * 1_000);
    assert_eq!(Terms::free().hold(&text, Terms::MAX_CAP), Ok(Money::ZERO));
}

const UNKNOWN: i64 = super::super::entry::UNKNOWN_MAX_INPUT;

#[test]
fn what_is_no_amount_is_a_fault() {
    let dear = terms_at("input = 1000000\noutput = 1000000", "1000000");
    assert_eq!(dear.charge(&usage(TokenCount::MAX.get(), TokenCount::MAX.get()), None), Err(MoneyFault));
    let bound = Bound { text_tokens: i64::MAX, choices: 128, ..Bound::default() };
    assert_eq!(dear.hold(&bound, Terms::MAX_CAP), Err(MoneyFault));
    assert_eq!(dear.affordable(&bound, Money::MAX), None);
    let small = Bound { text_tokens: 1, ..Bound::default() };
    for negative in [Bound { text_tokens: -1, ..small }, Bound { images: -1, ..small }] {
        assert_eq!(dear.hold(&negative, 0), Err(MoneyFault));
    }
    assert_eq!(dear.hold(&small, -1), Err(MoneyFault));
}

#[test]
fn floors() {
    assert_eq!(Terms::floor_tokens(0, 0), TokenCount::ZERO);
    assert_eq!(Terms::floor_tokens(5, 2).get(), 10);
    assert_eq!(Terms::floor_tokens(i64::MAX, i64::MAX), TokenCount::MAX);
    let floor = |terms: &Terms, bytes, messages| terms.floor(&terms.floor_usage(bytes, messages));
    assert_eq!(floor(&terms("input = 0.5\noutput = 1.5"), 5, 2), Money::from_nanos(5_000));
    assert_eq!(floor(&Terms::free(), 5, 2), Money::ZERO);
    assert_eq!(floor(&terms("input = 1000000\noutput = 1"), i64::MAX, 0), Money::MAX);
    assert!(terms_at("input = 1\noutput = 1", "0").input_is_free());
    assert!(Terms::free().input_is_free() && terms("input = 0\noutput = 1").input_is_free());
    assert!(!terms("input = 0\noutput = 1\naudio_input = 1").input_is_free());
}

/// A small generator (SplitMix64), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn upto(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let span = u64::try_from(most).unwrap().checked_add(1).unwrap();
        i64::try_from((z ^ (z >> 31)).checked_rem(span).unwrap()).unwrap()
    }

    fn bound(&mut self) -> Bound {
        Bound {
            text_tokens: self.upto(3_000),
            images: self.upto(3),
            audio_tokens: self.upto(500),
            unseen_input: if self.upto(3) == 0 { UnseenInput::Some } else { UnseenInput::None },
            predicted_tokens: self.upto(100),
            tool_calls: self.upto(3),
            choices: self.upto(4),
            speech: if self.upto(1) == 0 { Speech::Spoken } else { Speech::Silent },
            tier: [TierAsk::Default, TierAsk::Auto, TierAsk::Priority, TierAsk::Flex]
                [usize::try_from(self.upto(3)).unwrap()],
        }
    }

    /// Splits `total` at random over `N` kinds.
    fn split<const N: usize>(&mut self, total: i64) -> [TokenCount; N] {
        let mut left = total;
        std::array::from_fn(|_| {
            let part = self.upto(left);
            left = left.saturating_sub(part);
            count(part)
        })
    }

    /// A usage that `bound` and `cap` allow.
    fn usage(&mut self, bound: &Bound, cap: i64) -> Usage {
        let [audio_input, audio_as_text] = self.split(bound.audio_tokens);
        let [image_input, images_as_text] = self.split(bound.images.saturating_mul(300));
        let text = bound.text_tokens.saturating_add(audio_as_text.plus(images_as_text).get());
        let [input, cached_input, cache_write, cache_write_1h] = self.split(text);
        let most = cap.saturating_add(bound.predicted_tokens).saturating_mul(bound.choices.max(1));
        let [output, reasoning, image_output, audio] = self.split(most);
        let audio_output = if bound.speech == Speech::Spoken { audio } else { TokenCount::ZERO };
        let [tool_calls] = self.split(bound.tool_calls);
        Usage {
            input,
            cached_input,
            cache_write,
            cache_write_1h,
            output,
            reasoning,
            audio_input,
            audio_output,
            image_input,
            image_output,
            tool_calls,
        }
    }
}

#[test]
fn no_charge_within_the_bound_exceeds_its_hold() {
    let mut dice = Dice(1);
    for round in 0..20_000 {
        let terms = terms_cached(round);
        let bound = dice.bound();
        let cap = dice.upto(2_000);
        let usage = dice.usage(&bound, cap);
        let hold = terms.hold(&bound, cap).unwrap();
        let tiers: &[Option<Tier>] = match bound.tier {
            TierAsk::Default => &[None, Some(Tier::Default)],
            TierAsk::Auto => &[None, Some(Tier::Priority), Some(Tier::Flex)],
            TierAsk::Priority => &[None, Some(Tier::Priority)],
            TierAsk::Flex => &[None, Some(Tier::Flex)],
        };
        for tier in tiers {
            let charge = terms.charge(&usage, *tier).unwrap();
            assert!(charge <= hold, "{charge} > {hold}: {bound:?} {cap} {usage:?} {tier:?}");
        }
    }
}

#[test]
fn the_affordable_cap_fits_and_one_more_does_not() {
    let mut dice = Dice(2);
    for round in 0..20_000 {
        let terms = terms_cached(round);
        let bound = dice.bound();
        let room = Money::from_nanos(dice.upto(400_000_000));
        match terms.affordable(&bound, room) {
            None => assert!(terms.hold(&bound, 0).unwrap() > room, "{bound:?} {room}"),
            Some(cap) => {
                assert!(terms.hold(&bound, cap).unwrap() <= room, "{bound:?} {room} {cap}");
                let more = cap.checked_add(1).unwrap();
                assert!(
                    more > Terms::MAX_CAP || terms.hold(&bound, more).unwrap() > room,
                    "{bound:?} {room}"
                );
            }
        }
    }
    let free_output = terms("input = 1\noutput = 0");
    let bound = Bound { text_tokens: 10, ..Bound::default() };
    assert_eq!(free_output.affordable(&bound, Money::from_nanos(10_000)), Some(Terms::MAX_CAP));
    assert_eq!(free_output.affordable(&bound, Money::from_nanos(9_999)), None);
    assert_eq!(free_output.affordable(&bound, Money::from_nanos(-1)), None);
    assert_eq!(terms_at(FULL, "0").affordable(&bound, Money::ZERO), Some(Terms::MAX_CAP));
    assert_eq!(Terms::free().affordable(&bound, Money::ZERO), Some(Terms::MAX_CAP));
}

fn terms_cached(round: i64) -> Terms {
    thread_local! {
        static ALL: [Terms; 3] =
            [terms_at(FULL, "1"), terms_at(FULL, "0.333333333"), terms_at("input = 0.0375\noutput = 0.6", "1.7")
                .with_small_images()];
    }
    let index = usize::try_from(round.checked_rem(3).unwrap()).unwrap();
    ALL.with(|all| all[index].clone())
}

impl Terms {
    /// The generator's images count 300 tokens.
    fn with_small_images(mut self) -> Self {
        if let Some(entry) = &mut self.entry {
            Arc::make_mut(entry).image_tokens = 300;
        }
        self
    }
}

fn for_task(text: &str, task: &Task<'_>) -> Terms {
    terms(text).for_task(task).unwrap()
}

fn speech(bytes: i64) -> Task<'static> {
    Task::Speech { characters: bytes, bytes }
}

fn heard(bytes: i64, told: Option<i64>) -> Task<'static> {
    Task::Transcript { bytes, told }
}

fn floor(terms: &Terms) -> i64 {
    terms.floor(&terms.floor_usage(40, 1)).nanos()
}

fn held(terms: &Terms) -> i64 {
    terms.hold(&Bound::default(), 0).unwrap().nanos()
}

#[test]
fn characters_are_held_charged_and_owed() {
    // 7 × 15 000 n$
    let spoken = for_task("per_million_characters = 15", &speech(7));
    let cost = Money::from_nanos(105_000);
    assert_eq!(spoken.hold(&Bound::default(), 0), Ok(cost));
    assert_eq!(spoken.charge(&Usage::default(), None), Ok(cost));
    assert_eq!(floor(&spoken), 105_000);
    assert_eq!(spoken.affordable(&Bound::default(), cost), Some(Terms::MAX_CAP));
    assert_eq!(spoken.affordable(&Bound::default(), Money::from_nanos(104_999)), None);
    // Both kinds of price: text costs as it did.
    let both = "input = 1\noutput = 2\nper_million_characters = 15";
    assert_eq!(terms(both).charge(&usage(3, 4), None), Ok(Money::from_nanos(3_000 + 8_000)));
    assert_eq!(for_task(both, &speech(2)).charge(&usage(9, 9), None), Ok(Money::from_nanos(30_000)));
    // 3 × 1.5 n$, rounded up once; × 1.1 = 4.95
    let dearer = terms_at("per_million_characters = 0.0015", "1.1").for_task(&speech(3)).unwrap();
    assert_eq!(floor(&dearer), 5);
}

#[test]
fn each_task_has_its_prices() {
    let images = Task::Images { count: 1, size: None, quality: None, tokens: 9 };
    for (price, want) in [
        ("input = 1", [true, true, true, true]),
        ("per_request = 0", [true, true, true, true]),
        ("per_million_characters = 1", [false, true, false, false]),
        ("per_second = 1", [false, true, false, true]),
        ("per_image = 1", [false, false, true, false]),
    ] {
        let tasks = [Task::Text, speech(1), images, heard(1, None)];
        assert_eq!(tasks.map(|task| terms(price).for_task(&task).is_some()), want, "{price}");
    }
    assert!(Terms::free().for_task(&images).is_some());
}

#[test]
fn images_are_held_and_charged_each() {
    let task = |count| Task::Images { count, size: Some("1024x1024"), quality: Some("hd"), tokens: 4_160 };
    let price = "per_image = { \"1024x1024/hd\" = 0.08, default = 0.04 }\nper_request = 0.001";
    let each = for_task(price, &task(3));
    let bound = Bound { text_tokens: 1_000, images: 2, choices: 3, ..Bound::default() };
    assert_eq!(each.hold(&bound, 0), Ok(Money::from_nanos(241_000_000)));
    let two = Shown { images: count(2), is_answer: true, ..Shown::default() };
    let billed = each.billed(None, &two).unwrap();
    assert_eq!(billed.image_output.get(), 2);
    assert_eq!(each.charge(&billed, None), Ok(Money::from_nanos(161_000_000)));
    assert_eq!(each.billed(Some(usage(1, 1)), &Shown::default()), None);
    // Nobody says: all of them. Without the price of the request, as every floor.
    assert_eq!(floor(&each), 240_000_000);
    assert_eq!(each.counted(each.floor_usage(40, 1), &two).image_output.get(), 3);
}

#[test]
fn images_by_the_token() {
    let task = |count| Task::Images { count, size: None, quality: None, tokens: 4_160 };
    // A million costs 5 of text, 10 seen, 40 made.
    let drawn = for_task("input = 5\nimage_input = 10\nimage_output = 40\nimage_tokens = 300", &task(2));
    assert_eq!(drawn.unbounded_output(), 4_160);
    let bound = Bound { text_tokens: 100, images: 1, choices: 2, ..Bound::default() };
    let want = 500_000 + 300 * 10_000 + 2 * 4_160 * 40_000;
    assert_eq!(drawn.hold(&bound, 4_160), Ok(Money::from_nanos(want)));
    // 10 tokens of text and 4 for the message; images made at what they were held at.
    let two = Shown { images: count(2), is_answer: true, ..Shown::default() };
    let counted = drawn.counted(drawn.floor_usage(40, 1), &two);
    assert_eq!((counted.input.get(), counted.image_output.get()), (14, 8_320));
    assert_eq!(for_task("input = 5\nmax_output_tokens = 100", &task(1)).unbounded_output(), 100);
}

#[test]
fn seconds_are_held_and_charged_each() {
    // 100 000 n$ a second.
    for (bytes, told, most, owed) in [
        // 6 kbit/s at the least, 32 kbit/s where nobody knows.
        (7_501, None, 11, 2),
        (8_000, Some(5), 11, 5),
        (8_000, Some(60), 60, 60),
        (0, None, 0, 0),
    ] {
        let terms = for_task("per_second = 0.0001", &heard(bytes, told));
        assert_eq!((held(&terms), floor(&terms)), (most * 100_000, owed * 100_000), "{bytes} {told:?}");
    }
    let limited = for_task("per_second = 0.0001\nmax_seconds = 9", &heard(8_000, Some(60)));
    assert_eq!((held(&limited), floor(&limited)), (900_000, 900_000));
    let nine = Shown { seconds: Some(count(9)), is_answer: true, ..Shown::default() };
    let billed = limited.billed(Some(usage(1, 1)), &nine).unwrap();
    assert_eq!(billed.audio_input.get(), 9);
    assert_eq!(limited.charge(&billed, None), Ok(Money::from_nanos(900_000)));
    assert_eq!(limited.billed(Some(usage(1, 1)), &Shown::default()), None);
    let six = Shown { seconds: None, least_seconds: count(6), ..nine };
    let heard_of = |told| {
        let terms = for_task("per_second = 0.0001", &heard(8_000, told));
        terms.counted(terms.floor_usage(0, 0), &six).audio_input.get()
    };
    assert_eq!((heard_of(None), heard_of(Some(5)), heard_of(Some(7))), (6, 6, 7));
    // Spoken: a second for each byte at most, 15 bytes a second where nobody knows.
    let spoken = for_task("per_second = 0.0001", &speech(31));
    assert_eq!((held(&spoken), floor(&spoken)), (3_100_000, 300_000));
    assert_eq!(spoken.billed(None, &nine).unwrap().audio_output.get(), 9);
}

#[test]
fn sound_heard_by_the_token() {
    let terms = for_task("input = 2.5\noutput = 10\nmax_output_tokens = 2000", &heard(8_000, None));
    assert_eq!(terms.unbounded_output(), 2_000);
    let floor = terms.floor_usage(0, 0);
    assert_eq!(floor.audio_input.get(), 20);
    let shown = Shown { output: count(7), is_answer: true, ..Shown::default() };
    let counted = terms.counted(floor, &shown);
    assert_eq!((counted.audio_input.get(), counted.output.get()), (20, 7));
    for (seconds, least, want) in [(Some(3), 0, 30), (Some(3), 9, 30), (None, 1, 20), (None, 9, 90)] {
        let shown = Shown { seconds: seconds.map(count), least_seconds: count(least), ..shown };
        assert_eq!(terms.counted(floor, &shown).audio_input.get(), want, "{seconds:?} {least}");
    }
    assert_eq!(terms.billed(Some(usage(1, 2)), &shown), Some(usage(1, 2)));
    assert_eq!(for_task("input = 2.5", &heard(8_000, None)).unbounded_output(), 500);
}

#[test]
fn sound_spoken_by_the_token() {
    let terms = for_task("input = 0.6\noutput = 10\naudio_output = 12", &speech(30));
    assert_eq!(terms.unbounded_output(), 630);
    let floor = terms.floor_usage(30, 0);
    assert_eq!((floor.input.get(), floor.audio_output.get()), (8, 0));
    let shown = Shown { is_answer: true, ..Shown::default() };
    for (shown, want) in [
        (shown, 42),
        (Shown { seconds: Some(count(4)), ..shown }, 84),
        (Shown { seconds: Some(count(400)), ..shown }, 630),
        (Shown::default(), 0),
    ] {
        assert_eq!(terms.counted(floor, &shown).audio_output.get(), want, "{shown:?}");
    }
}
