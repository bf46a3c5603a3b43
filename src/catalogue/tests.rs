//! Which entry prices a model; and the shipped file.

use super::*;
use crate::money::Money;
use crate::usage::{TokenCount, Usage};

fn row(text: &str) -> PriceRow {
    PriceRow::parse(&text.parse().unwrap()).unwrap()
}

/// The price of a million plain input tokens, in whole dollars.
fn dollars(catalogue: &Catalogue, provider: Provider, model: &str) -> Option<i64> {
    let terms = Terms::new(catalogue.entry(provider, model)?, Multiplier::ONE);
    let usage = Usage { input: TokenCount::clamped(1_000_000), ..Usage::default() };
    Some(terms.charge(&usage, None).unwrap().nanos() / Money::DOLLAR.nanos())
}

#[test]
fn the_longest_match_and_the_operator_win() {
    let shipped = r#"
        [[prices]]
        model = "gpt-5"
        provider = "openai"
        input = 1
        output = 1
        [[prices]]
        model = "gpt-*"
        input = 2
        output = 2
        [[prices]]
        model = "gpt-5-*"
        input = 3
        output = 3
        [[prices]]
        model = "other"
        input = 4
        output = 4
        [[prices]]
        model = "painter"
        per_image = 1
    "#;
    let plain = Catalogue::parse(shipped, Vec::new()).unwrap();
    for (model, want) in
        [("gpt-5", Some(1)), ("gpt-5-x", Some(3)), ("gpt-4", Some(2)), ("gpt", None), ("painter", Some(0))]
    {
        assert_eq!(dollars(&plain, Provider::OpenAi, model), want, "{model}");
    }
    assert_eq!(dollars(&plain, Provider::Gemini, "gpt-5"), Some(2), "the exact one is another provider's");
    assert_eq!(plain.models(Provider::OpenAi).collect::<Vec<_>>(), ["gpt-5", "other", "painter"]);
    assert!(plain.offers(Provider::OpenAi, "gpt-5") && !plain.offers(Provider::OpenAi, "other"));

    let operator = vec![
        row("model = \"gpt-5\"\ninput = 7\noutput = 7"),
        row("model = \"other\"\nprovider = \"openai\"\ninput = 8\noutput = 8"),
        row("model = \"mine\"\ninput = 9\noutput = 9"),
    ];
    let own = Catalogue::parse(shipped, operator.clone()).unwrap();
    for (provider, model, want) in [
        (Provider::OpenAi, "gpt-5", 7),
        (Provider::Gemini, "gpt-5", 7),
        (Provider::OpenAi, "other", 8),
        (Provider::Gemini, "other", 4),
        (Provider::OpenAi, "mine", 9),
        (Provider::OpenAi, "gpt-5-x", 3),
    ] {
        assert_eq!(dollars(&own, provider, model), Some(want), "{model}");
    }
    assert!(own.offers(Provider::OpenAi, "mine") && own.offers(Provider::OpenAi, "other"));
    let twice = operator.iter().cloned().chain([operator[0].clone()]).collect();
    assert_eq!(Catalogue::parse(shipped, twice).unwrap_err(), CatalogueFault::Twice(3));
}

#[test]
fn the_shipped_file_is_sane() {
    let catalogue = Catalogue::parse(SHIPPED, Vec::new()).unwrap();
    let rows = shipped_rows(SHIPPED).unwrap();
    assert!(rows.len() > 200, "{}", rows.len());
    assert!(rows.iter().map(|row| &row.model).is_sorted_by(|a, b| a < b), "sorted, each name once");
    for row in &rows {
        let entry = PriceEntry::from_row(row);
        if !entry.is_for_text {
            let image = entry.per_image.as_ref().map(|prices| prices.of(None, None));
            let media =
                entry.per_character.or(entry.per_second).or(image).map_or(0, super::rate::Rate::femtos);
            assert!(media > 0 && row.named == super::row::Named::default(), "{} is free", row.model);
            continue;
        }
        let rates = entry.rates(Tier::Default, 0);
        // Their providers ask nothing for moderations.
        let is_free = row.model.contains("moderation");
        assert_eq!(rates.input.femtos() > 0, !is_free, "{} is free", row.model);
        let is_told = row.named.output.is_some() || row.named.image_output.is_some();
        assert!(is_told, "{} says what output costs", row.model);
        assert!(rates.cached_input <= rates.input, "{}: a cache that costs more", row.model);
        assert!(rates.output >= rates.input || rates.output.femtos() == 0, "{}: cheap output", row.model);
        assert!(rates.any_input().femtos() <= 500_000_000_000, "{} costs over $500 a million", row.model);
    }
    // Spot checks by hand.
    assert_eq!(dollars(&catalogue, Provider::OpenAi, "gpt-4.1"), Some(2));
    assert_eq!(dollars(&catalogue, Provider::Anthropic, "claude-opus-4-8"), Some(5));
    assert_eq!(dollars(&catalogue, Provider::OpenAi, "ft:gpt-4.1-2025-04-14:acme::x1"), Some(3));
    assert!(catalogue.entry(Provider::OpenAi, "claude-opus-4-8").is_none());
    assert!(!catalogue.offers(Provider::OpenAi, "deepseek-v4-pro"));
    assert!(catalogue.entry(Provider::OpenAi, "deepseek-v4-pro").is_some());
    assert_eq!(
        catalogue
            .models(Provider::Demo)
            .filter(|name| catalogue.offers(Provider::Demo, name))
            .collect::<Vec<_>>(),
        ["demo"]
    );
}

/// By hand, from `prices.toml`: a million costs 1 plain, 0.1 read, 1.25 and 2 written, 5 out; a search costs a cent.
#[test]
fn a_shipped_price_of_anthropics_charges_each_kind() {
    let catalogue = Catalogue::parse(SHIPPED, Vec::new()).unwrap();
    let entry = catalogue.entry(Provider::Anthropic, "claude-haiku-4-5").unwrap();
    let terms = Terms::new(entry, Multiplier::ONE);
    let count = crate::usage::TokenCount::clamped;
    let usage = crate::usage::Usage {
        input: count(1_000),
        cached_input: count(10_000),
        cache_write: count(2_000),
        cache_write_1h: count(300),
        output: count(500),
        tool_calls: count(1),
        ..crate::usage::Usage::default()
    };
    let charge = terms.charge(&usage, None).unwrap().nanos();
    assert_eq!(charge, 1_000_000 + 1_000_000 + 2_500_000 + 600_000 + 2_500_000 + 10_000_000);
    // Held: all input as if it were written for an hour, 100 tokens of output, three searches.
    let bound = Bound { text_tokens: 1_000, tool_calls: 3, ..Bound::default() };
    assert_eq!(terms.hold(&bound, 100).unwrap().nanos(), 2_000_000 + 500_000 + 30_000_000);
}

/// By hand, from `prices.toml`: images by the token (5 of text, 8 seen, 30 made) and each, sound by the token (2.5 heard, 10
/// written; 0.6 read, 12 spoken) and by the second.
#[test]
fn shipped_prices_of_images_and_sound() {
    let catalogue = Catalogue::parse(SHIPPED, Vec::new()).unwrap();
    let terms = |model: &str, task: &Task<'_>| {
        let entry = catalogue.entry(Provider::OpenAi, model).unwrap();
        Terms::new(entry, Multiplier::ONE).for_task(task).unwrap()
    };
    let count = TokenCount::clamped;
    let nanos = |terms: &Terms, usage: Usage| terms.charge(&usage, None).unwrap().nanos();
    let task = |size, quality| Task::Images { count: 2, size, quality, tokens: 272 };
    let drawn =
        Usage { input: count(13), image_input: count(323), image_output: count(272), ..Usage::default() };
    let made = terms("gpt-image-2", &task(Some("1024x1024"), Some("low")));
    assert_eq!(nanos(&made, drawn), 13 * 5_000 + 323 * 8_000 + 272 * 30_000);
    let two = Usage { image_output: count(2), ..Usage::default() };
    assert_eq!(
        nanos(&terms("grok-imagine-image-2.0", &task(Some("1024x1024"), Some("low"))), two),
        80_000_000
    );
    assert_eq!(nanos(&terms("grok-imagine-image-2.0", &task(None, None)), two), 120_000_000);
    let task = Task::Transcript { bytes: 8_000, told: None };
    let heard = Usage { input: count(4), audio_input: count(10), output: count(45), ..Usage::default() };
    assert_eq!(nanos(&terms("gpt-4o-transcribe", &task), heard), 14 * 2_500 + 45 * 10_000);
    let nine = Usage { audio_input: count(9), ..Usage::default() };
    assert_eq!(nanos(&terms("whisper-1", &task), nine), 9 * 100_000);
    // 0.00003083 dollars a second: 9 × 30 830 n$
    assert_eq!(nanos(&terms("whisper-large-v3", &task), nine), 277_470);
    let spoken = Usage { input: count(5), audio_output: count(50), ..Usage::default() };
    let task = Task::Speech { characters: 20, bytes: 20 };
    assert_eq!(nanos(&terms("gpt-4o-mini-tts", &task), spoken), 5 * 600 + 50 * 12_000);
    assert_eq!(nanos(&terms("tts-1", &task), spoken), 20 * 15_000);
}
