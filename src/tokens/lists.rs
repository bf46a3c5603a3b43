//! Allow-lists: of models and of client addresses.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// Names of models: exact, case-sensitive; a trailing `*` matches a prefix. Many tokens may share one: a clone is no copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelList {
    names: Arc<[String]>,
}

/// What is wrong with a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListFault {
    /// More entries than this.
    TooMany(usize),
    /// An entry longer than this many bytes.
    TooLong(usize),
    /// An entry that is not of the list's form.
    Malformed(String),
}

impl ModelList {
    /// The most names in a list.
    pub const MAX_NAMES: usize = 1_000;
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 256;

    /// Reads names separated by commas; blanks around commas do not count, nor do empty names.
    ///
    /// # Errors
    /// Past [`ModelList::MAX_NAMES`] or [`ModelList::MAX_NAME`], on control characters, and on a `*` that is not last.
    pub fn parse(text: &str) -> Result<Self, ListFault> {
        Self::from_names(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned))
    }

    /// A list of `names`.
    ///
    /// # Errors
    /// As [`ModelList::parse`].
    pub fn from_names(names: impl IntoIterator<Item = String>) -> Result<Self, ListFault> {
        let names: Vec<String> = names.into_iter().take(Self::MAX_NAMES + 1).collect();
        if names.len() > Self::MAX_NAMES {
            return Err(ListFault::TooMany(Self::MAX_NAMES));
        }
        for name in &names {
            if name.len() > Self::MAX_NAME {
                return Err(ListFault::TooLong(Self::MAX_NAME));
            }
            let body = name.strip_suffix('*').unwrap_or(name);
            if body.contains('*') || body.chars().any(char::is_control) {
                return Err(ListFault::Malformed(name.clone()));
            }
        }
        Ok(Self { names: names.into() })
    }

    /// Whether no name is on it.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, as they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether `model` is on the list, byte for byte.
    pub fn permits(&self, model: &str) -> bool {
        self.names.iter().any(|name| match name.strip_suffix('*') {
            Some(prefix) => model.starts_with(prefix),
            None => name == model,
        })
    }
}

/// Client addresses and networks; an empty list permits any. Many tokens may share one: a clone is no copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpList {
    nets: Arc<[IpNet]>,
}

impl IpList {
    /// The most entries in a list.
    pub const MAX_ENTRIES: usize = 256;

    /// Reads addresses and CIDR networks separated by commas or new lines.
    ///
    /// # Errors
    /// Past [`IpList::MAX_ENTRIES`], and on an entry that is neither.
    pub fn parse(text: &str) -> Result<Self, ListFault> {
        let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        let mut nets = Vec::new();
        for entry in entries {
            if nets.len() == Self::MAX_ENTRIES {
                return Err(ListFault::TooMany(Self::MAX_ENTRIES));
            }
            let net = entry.parse::<IpNet>().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from));
            nets.push(canonical_net(net.ok_or_else(|| ListFault::Malformed(entry.to_owned()))?));
        }
        Ok(Self { nets: nets.into() })
    }

    /// Whether it permits any address.
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }

    /// Whether a client at `ip` may come in. An IPv4 address spelled as IPv6 (`::ffff:…`) is the IPv4 address.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.nets.is_empty() || self.nets.iter().any(|net| net.contains(&ip))
    }
}

/// `::ffff:a.b.c.d/n` with n ≥ 96 is the IPv4 network it spells.
fn canonical_net(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len()) {
        (IpAddr::V4(addr), prefix @ 96..) if net.addr().is_ipv6() => {
            ipnet::Ipv4Net::new(addr, prefix - 96).map_or(net, IpNet::from)
        }
        _ => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_byte_for_byte_and_prefixes_at_the_start() {
        let list = ModelList::parse(" m-ok , gpt-* ,").unwrap();
        assert!(list.permits("m-ok") && list.permits("gpt-5") && list.permits("gpt-"));
        for other in ["M-OK", " m-ok", "m-ok ", "m-ok/", "models/m-ok", "m‑ok", "xgpt-5", "", "gpt"] {
            assert!(!list.permits(other), "{other}");
        }
        assert!(matches!(ModelList::parse("a*b"), Err(ListFault::Malformed(_))));
        assert!(matches!(ModelList::parse(&"m,".repeat(1_001)), Err(ListFault::TooMany(_))));
        assert!(matches!(ModelList::parse(&"m".repeat(257)), Err(ListFault::TooLong(_))));
    }

    #[test]
    fn networks_hold_addresses_of_both_spellings() {
        let list = IpList::parse("10.0.0.0/8\n::1, 192.0.2.7").unwrap();
        for (ip, permitted) in [
            ("10.9.8.7", true),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::2", false),
        ] {
            assert_eq!(list.permits(ip.parse().unwrap()), permitted, "{ip}");
        }
        assert!(IpList::parse("").unwrap().permits("203.0.113.9".parse().unwrap()));
        assert!(matches!(IpList::parse("10.0.0.0/33"), Err(ListFault::Malformed(_))));
        assert!(IpList::parse("::ffff:10.0.0.0/104").unwrap().permits("10.1.1.1".parse().unwrap()));
    }
}
