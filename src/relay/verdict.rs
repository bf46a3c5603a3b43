//! The verdict: what a request costs, from how it ended and what was seen of its answer. Pure; the rules are those of
//! `docs/accounting.md`, "The settlement".

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use crate::catalogue::{Shown, Terms, Tier};
use crate::ledger::{Outcome, Settlement, UsageSource};
use crate::money::Money;
use crate::usage::{TokenCount, Usage};
use crate::wire::{Answer, Reading, ServiceTier};

/// How an exchange with a provider ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer came to its own end.
    Complete,
    /// The client went away, and the answer's own end did not come either.
    ClientGone,
    /// The client went away, and the answer came to its own end.
    ClientGoneComplete,
    /// The answer broke off: cut, too slow, too large.
    Broken,
    /// The provider said itself, under a good status, that something went wrong, or ended in good order without an answer's end.
    Faulted,
    /// The request was sent, and no head of an answer came.
    Unanswered,
    /// The provider refused: a status that is not a success.
    Refused,
}

/// What the verdict knows beside the ending.
#[derive(Copy, Clone, Debug)]
pub struct Case<'a> {
    /// What was seen of the answer.
    pub reading: &'a Reading,
    /// The terms it was admitted on.
    pub terms: &'a Terms,
    /// The least it costs once it was sent and nobody says.
    pub floor: Money,
    /// What it is taken to use then.
    pub floor_usage: Usage,
    /// Requests sent.
    pub attempts: i64,
}

/// The settlement of a request that ended as `ending`.
pub fn settlement(ending: Ending, case: &Case<'_>) -> Settlement {
    let reading = case.reading;
    let something_seen = case.usage().is_some() || reading.has_output;
    match ending {
        Ending::Refused => Settlement::void(case.attempts),
        Ending::Unanswered => case.floor(),
        Ending::Complete if reading.answer == Answer::Given => case.believed(Outcome::Ok),
        Ending::ClientGoneComplete => case.believed(Outcome::ClientGone),
        Ending::ClientGone => case.larger(Outcome::ClientGone),
        Ending::Broken if !something_seen => case.floor(),
        Ending::Broken => case.larger(Outcome::UpstreamError),
        Ending::Complete | Ending::Faulted if something_seen => case.larger(Outcome::UpstreamError),
        Ending::Complete | Ending::Faulted => match reading.answer {
            Answer::Error | Answer::Page | Answer::Nothing => Settlement::void(case.attempts),
            Answer::Empty | Answer::Unreadable | Answer::Given => case.floor(),
        },
    }
}

impl Case<'_> {
    /// What is billed, where it is known.
    fn usage(&self) -> Option<Usage> {
        self.terms.billed(self.reading.usage, &self.shown())
    }

    /// What the answer shows of its use by itself.
    fn shown(&self) -> Shown {
        let reading = self.reading;
        Shown {
            is_answer: reading.answer == Answer::Given,
            output: reading.estimated_output(),
            tool_calls: reading.tool_calls,
            images: reading.images,
            seconds: reading.seconds,
            least_seconds: reading.least_seconds,
        }
    }

    /// The provider's own figures where they are believed, else the count made here.
    fn believed(&self, outcome: Outcome) -> Settlement {
        match self.usage() {
            Some(usage) if !self.reading.is_outdated => self.settle(outcome, usage, UsageSource::Provider),
            Some(_) => self.larger(outcome),
            None => self.counted(outcome),
        }
    }

    /// Whatever is more: the provider's figures so far, or the count made here.
    fn larger(&self, outcome: Outcome) -> Settlement {
        let counted = self.counted(outcome);
        match self.usage().map(|usage| self.settle(outcome, usage, UsageSource::Provider)) {
            Some(seen) if seen.cost >= counted.cost => seen,
            _ => counted,
        }
    }

    /// The floor, and what was counted of the output. An image of which a part went by was made.
    fn counted(&self, outcome: Outcome) -> Settlement {
        let shown = self.shown();
        let begun = TokenCount::clamped(i64::from(self.reading.has_output));
        let shown = Shown { images: shown.images.max(begun), ..shown };
        let usage = self.terms.counted(self.floor_usage, &shown);
        let source = if self.reading.suspect { UsageSource::Suspect } else { UsageSource::Estimated };
        let counted = self.settle(outcome, usage, source);
        Settlement { cost: counted.cost.max(self.floor), ..counted }
    }

    /// Sent, and nobody knows what became of it.
    fn floor(&self) -> Settlement {
        Settlement {
            outcome: Outcome::UpstreamUnknown,
            cost: self.floor,
            usage: self.floor_usage,
            source: UsageSource::Estimated,
            attempts: self.attempts,
        }
    }

    fn settle(&self, outcome: Outcome, usage: Usage, source: UsageSource) -> Settlement {
        let tier = self.reading.tier.and_then(|tier| match tier {
            ServiceTier::Auto => None,
            ServiceTier::Default => Some(Tier::Default),
            ServiceTier::Priority => Some(Tier::Priority),
            ServiceTier::Flex => Some(Tier::Flex),
        });
        // What is no amount is charged as far as the budgets go, and the rest is overrun.
        let cost = self.terms.charge(&usage, tier).unwrap_or(Money::MAX);
        Settlement { outcome, cost, usage, source, attempts: self.attempts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Multiplier, PriceRow, Provider};

    fn terms() -> Terms {
        // 1 n$ a token of input, 10 n$ a token of output.
        let table = "model = \"m\"\ninput = 0.001\noutput = 0.01".parse().unwrap();
        let catalogue = Catalogue::parse("", vec![PriceRow::parse(&table).unwrap()]).unwrap();
        Terms::new(catalogue.entry(Provider::OpenAi, "m").unwrap(), Multiplier::ONE)
    }

    fn reading(answer: Answer, output_bytes: i64, usage: Option<(i64, i64)>) -> Reading {
        let usage = usage.map(|(input, output)| Usage {
            input: TokenCount::clamped(input),
            output: TokenCount::clamped(output),
            ..Usage::default()
        });
        Reading {
            usage,
            is_outdated: false,
            tool_calls: TokenCount::ZERO,
            suspect: false,
            images: TokenCount::ZERO,
            seconds: None,
            least_seconds: TokenCount::ZERO,
            output_bytes,
            has_output: output_bytes > 0,
            tier: None,
            answer,
            has_error: answer == Answer::Error,
        }
    }

    fn case<'a>(reading: &'a Reading, terms: &'a Terms) -> Case<'a> {
        let floor_usage = Usage { input: TokenCount::clamped(7), ..Usage::default() };
        Case { reading, terms, floor: Money::from_nanos(7), floor_usage, attempts: 1 }
    }

    #[test]
    fn what_each_end_costs() {
        use Answer::{Empty, Error, Given, Nothing, Page, Unreadable};
        use Ending::*;
        // Floor: 7 tokens of input, 7 n$. 40 bytes of output: 10 tokens, 100 n$.
        let cases = [
            (Complete, reading(Given, 40, Some((5, 3))), "ok 35 provider"),
            (Complete, reading(Given, 40, None), "ok 107 estimated"),
            (Complete, reading(Error, 0, None), "void 0 none"),
            (Complete, reading(Page, 0, None), "void 0 none"),
            (Complete, reading(Nothing, 0, None), "void 0 none"),
            (Complete, reading(Empty, 0, None), "upstream_unknown 7 estimated"),
            (Complete, reading(Unreadable, 0, None), "upstream_unknown 7 estimated"),
            (Complete, reading(Error, 0, Some((5, 3))), "upstream_error 35 provider"),
            (ClientGone, reading(Given, 40, Some((5, 3))), "client_gone 107 estimated"),
            (ClientGone, reading(Given, 40, Some((5, 30))), "client_gone 305 provider"),
            (ClientGone, reading(Nothing, 0, None), "client_gone 7 estimated"),
            (ClientGoneComplete, reading(Given, 40, Some((5, 3))), "client_gone 35 provider"),
            (Broken, reading(Given, 40, None), "upstream_error 107 estimated"),
            (Broken, reading(Nothing, 0, None), "upstream_unknown 7 estimated"),
            (Faulted, reading(Error, 0, None), "void 0 none"),
            (Faulted, reading(Given, 40, None), "upstream_error 107 estimated"),
            (Unanswered, reading(Nothing, 0, None), "upstream_unknown 7 estimated"),
            (Refused, reading(Nothing, 0, None), "void 0 none"),
        ];
        let terms = terms();
        for (ending, reading, want) in cases {
            let got = settlement(ending, &case(&reading, &terms));
            let told = format!("{} {} {}", got.outcome.as_str(), got.cost.nanos(), got.source.as_str());
            assert_eq!(told, want, "{ending:?} {reading:?}");
        }
    }

    #[test]
    fn outdated_figures_count_only_where_they_are_more() {
        let terms = terms();
        for (output, want) in [(3, 107), (30, 305)] {
            let reading = Reading { is_outdated: true, ..reading(Answer::Given, 40, Some((5, output))) };
            for ending in [Ending::Complete, Ending::ClientGoneComplete] {
                assert_eq!(settlement(ending, &case(&reading, &terms)).cost.nanos(), want, "{ending:?}");
            }
        }
    }

    #[test]
    fn what_is_no_amount_costs_the_most_there_is() {
        let table = "model = \"m\"\ninput = 0.001\noutput = 1000000";
        let catalogue = Catalogue::parse("", vec![PriceRow::parse(&table.parse().unwrap()).unwrap()]);
        let terms = Terms::new(catalogue.unwrap().entry(Provider::OpenAi, "m").unwrap(), Multiplier::ONE);
        let reading = reading(Answer::Given, 40, Some((5, 2_000_000)));
        let settled = settlement(Ending::Complete, &case(&reading, &terms));
        assert_eq!((settled.outcome, settled.cost), (Outcome::Ok, Money::MAX));
    }

    #[test]
    fn a_count_never_costs_less_than_the_floor() {
        // Flex is cheaper; the floor is at the ordinary price.
        let table = "model = \"m\"\ninput = 0.001\noutput = 0.01
            tiers = { flex = { input = 0.0001, output = 0.0001 } }";
        let catalogue = Catalogue::parse("", vec![PriceRow::parse(&table.parse().unwrap()).unwrap()]);
        let terms = Terms::new(catalogue.unwrap().entry(Provider::OpenAi, "m").unwrap(), Multiplier::ONE);
        let flex = |output| Reading { tier: Some(ServiceTier::Flex), ..reading(Answer::Given, output, None) };
        for (output, cost) in [(4, 7), (4_000, 101)] {
            let counted = settlement(Ending::Complete, &case(&flex(output), &terms));
            assert_eq!(counted.cost.nanos(), cost, "7 and {output} bytes");
            let output = TokenCount::clamped(output.div_euclid(4));
            assert_eq!((counted.usage.input.get(), counted.usage.output), (7, output));
        }
        let unknown = settlement(Ending::Unanswered, &case(&flex(0), &terms));
        assert_eq!((unknown.usage.all_input().get(), unknown.usage.all_output().get()), (7, 0));
    }
}
