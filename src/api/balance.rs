//! Balances of the calling token and of its user: flat, without the envelope.

use serde::Serialize;

use crate::api::answer::{Answer, Exact};
use crate::api::refusal::Refusal;
use crate::api::{Call, Desk};
use crate::clock::Timestamp;
use crate::ledger::{Budget, Figures};
use crate::money::Money;

#[derive(Debug, Serialize)]
struct ShownBalance {
    success: bool,
    remain_balance: Exact,
    used_balance: Exact,
    remain_credits: Exact,
    used_credits: Exact,
    credits_per_usd: i64,
    unlimited_quota: bool,
}

#[derive(Debug, Serialize)]
struct ShownTokenBalance {
    success: bool,
    remain_balance: Exact,
    used_balance: Exact,
    remain_credits: Exact,
    used_credits: Exact,
    credits_per_usd: i64,
    unlimited_quota: bool,
    reserved_credits: Exact,
    expires_at: i64,
    daily: Option<ShownWindow>,
    monthly: Option<ShownWindow>,
}

/// What a calendar window allows; `null` stands where no limit is set.
#[derive(Debug, Serialize)]
struct ShownWindow {
    limit_credits: Exact,
    used_credits: Exact,
    reserved_credits: Exact,
    resets_at: i64,
}

impl ShownWindow {
    fn new(figures: Figures, resets_at: Timestamp) -> Option<Self> {
        (figures.limit != Money::ZERO).then(|| Self {
            limit_credits: Exact::credits(figures.limit.quota_down()),
            used_credits: Exact::credits(figures.used.quota_up()),
            reserved_credits: Exact::credits(figures.held.quota_up()),
            resets_at: resets_at.secs(),
        })
    }
}

impl ShownBalance {
    fn new(budget: Budget) -> Self {
        let left = budget.remaining();
        let remain = if budget.unlimited { Exact::raw("-1".to_owned()) } else { Exact::dollars(left) };
        Self {
            success: true,
            remain_balance: remain,
            used_balance: Exact::dollars(budget.used),
            remain_credits: Exact::credits(left.quota_down()),
            used_credits: Exact::credits(budget.used.quota_up()),
            credits_per_usd: Money::CREDITS_PER_USD,
            unlimited_quota: budget.unlimited,
        }
    }
}

impl Desk {
    pub(super) fn balance(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let token = call.caller.token();
        let windows = self.zone.windows(self.clock.now());
        let figures = self.store.books().lock().token(token.id, windows);
        let figures = figures.ok_or(Refusal::NotFound("token"))?;
        let flat = ShownBalance::new(figures.total);
        let shown = ShownTokenBalance {
            success: flat.success,
            remain_balance: flat.remain_balance,
            used_balance: flat.used_balance,
            remain_credits: flat.remain_credits,
            used_credits: flat.used_credits,
            credits_per_usd: flat.credits_per_usd,
            unlimited_quota: flat.unlimited_quota,
            reserved_credits: Exact::credits(figures.total.held.quota_up()),
            expires_at: token.expires_at.map_or(-1, Timestamp::secs),
            daily: ShownWindow::new(figures.day, self.zone.day_end(windows.day)),
            monthly: ShownWindow::new(figures.month, self.zone.month_end(windows.month)),
        };
        Ok(Answer::json(200, &shown))
    }

    pub(super) fn user_balance(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let budget = self.store.books().lock().user(call.caller.token().user);
        Ok(Answer::json(200, &ShownBalance::new(budget.ok_or(Refusal::NotFound("user"))?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_reads_as_the_contract_says() {
        let cents = |cents: i64| Money::from_nanos(cents * 10_000_000);
        let budget = Budget { granted: cents(1_280), used: cents(230), ..Budget::default() };
        assert_eq!(
            serde_json::to_string(&ShownBalance::new(budget)).unwrap(),
            concat!(
                r#"{"success":true,"remain_balance":10.5,"used_balance":2.3,"remain_credits":2100,"#,
                r#""used_credits":460,"credits_per_usd":200,"unlimited_quota":false}"#
            )
        );
        let unlimited = ShownBalance::new(Budget { unlimited: true, ..budget });
        let text = serde_json::to_string(&unlimited).unwrap();
        assert!(text.contains(r#""remain_balance":-1,"#) && text.contains(r#""remain_credits":2100,"#));
    }
}
