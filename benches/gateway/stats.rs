//! Medians, percentiles and ratios of samples. Must not know what they are of.

/// The middle of `samples`; NaN of none.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(upper), 0) => (upper + sorted[middle - 1]) / 2.0,
        (Some(only), _) => *only,
    }
}

/// The value that `share` (0 to 1) of `sorted` are not above; NaN of none.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (amount(last) * share).round();
    // A share of a length is a length.
    sorted.get(place as usize).copied().unwrap_or(f64::NAN)
}

/// `over` ÷ `under`, round by round.
pub fn ratios(over: &[f64], under: &[f64]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over / under).collect()
}

/// `over` − `under`, round by round.
pub fn differences(over: &[f64], under: &[f64]) -> Vec<f64> {
    over.iter().zip(under).map(|(over, under)| over - under).collect()
}

/// A count as a number to reckon with.
pub fn amount(count: impl TryInto<u64>) -> f64 {
    // Exact up to 2^53, which no count here reaches.
    count.try_into().unwrap_or(u64::MAX) as f64
}
