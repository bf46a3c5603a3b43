//! Reads a query string, strictly: what is named there must be known and right, so that a misspelt filter never shows everything.

use std::ops::RangeInclusive;

use crate::api::body::parse_integer;
use crate::api::refusal::Refusal;
use crate::wire::percent;

/// The largest page.
const PAGE_MOST: i64 = 100;

/// The members of a query string, decoded.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

/// Which part of a list is shown.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: i64,
    /// 1 to 100.
    pub size: i64,
}

impl Page {
    /// The parameters that name a page.
    pub const PARAMETERS: [&str; 2] = ["page", "page_size"];

    /// How many come before it.
    pub const fn offset(self) -> i64 {
        self.number.saturating_sub(1).saturating_mul(self.size)
    }
}

impl Query {
    /// Reads `text`: names, each one of `known`, and values separated by `=`, joined by `&`.
    ///
    /// # Errors
    /// On what is no UTF-8 once decoded, on an unknown name, and on one that comes twice.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Refusal> {
        let mut members: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name).ok_or_else(|| Refusal::field("query", "must be UTF-8 once decoded"))?;
            let value =
                decode(value).ok_or_else(|| Refusal::field(shown(&name), "must be UTF-8 once decoded"))?;
            if !known.contains(&name.as_str()) {
                let why = format!("is not a parameter of this call, which has: {}", known.join(", "));
                return Err(Refusal::field(shown(&name), why));
            }
            if members.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::DuplicateField(format!("{}: comes twice in the query", shown(&name))));
            }
            members.push((name, value));
        }
        Ok(Self(members))
    }

    /// A member that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// An integer in `range`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match parse_integer(text).filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let why = format!("must be an integer from {} to {}", range.start(), range.end());
                Err(Refusal::field(name, why))
            }
        }
    }

    /// `page` and `page_size`.
    ///
    /// # Errors
    /// When one of them is out of range.
    pub fn page(&self) -> Result<Page, Refusal> {
        let number = self.integer("page", 1..=i64::MAX)?.unwrap_or(1);
        let size = self.integer("page_size", 1..=PAGE_MOST)?.unwrap_or(20);
        Ok(Page { number, size })
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn decode(text: &str) -> Option<String> {
    percent::decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_decoded_and_empty_ones_absent() {
        let query = Query::parse("keyword=a%25+b%C3%A9&status=&x", &["keyword", "status", "x"]).unwrap();
        assert_eq!(query.get("keyword"), Some("a% bé"));
        assert_eq!((query.get("status"), query.get("x"), query.get("y")), (None, None, None));
        assert!(Query::parse("a=%ff", &["a"]).is_err() && Query::parse("a=%2", &["a"]).is_err());
        assert!(Query::parse("a=1&a=2", &["a"]).is_err() && Query::parse("b=1", &["a"]).is_err());
    }

    #[test]
    fn pages_are_bounded() {
        let page = |text| Query::parse(text, &Page::PARAMETERS).and_then(|query| query.page());
        assert_eq!(page(""), Ok(Page { number: 1, size: 20 }));
        assert_eq!(page("page=3&page_size=100").map(Page::offset), Ok(200));
        assert_eq!(page("page=9223372036854775807&page_size=100").map(Page::offset), Ok(i64::MAX));
        for text in
            ["page=0", "page=-1", "page_size=101", "page_size=0", "page=9223372036854775808", "page=1.0"]
        {
            assert!(page(text).is_err(), "{text}");
        }
    }
}
