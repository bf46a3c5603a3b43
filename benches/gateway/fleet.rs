//! All that is compared with each other, started together: so a round can ask one after the other.

use std::net::SocketAddr;
use std::process::Command;

use rustix::process::Pid;

use crate::Fault;
use crate::figures::Bench;
use crate::gateway::{Durability, Gateway, Setting, chats};
use crate::load::Questions;
use crate::nginx;
use crate::process::{Guard, Process};
use crate::report::Row;
use crate::stats::amount;

/// Who answers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The mock itself.
    Direct,
    /// The ceiling of this stack.
    Bare,
    /// The gateway, each commit flushed.
    Power,
    /// The gateway, commits not flushed.
    Process,
    /// Another build, each commit flushed.
    Beside,
    /// For orientation.
    Nginx,
}

impl Who {
    /// As it stands in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct to the mock",
            Self::Bare => "bare actix-web proxy",
            Self::Power => "tollgate, power",
            Self::Process => "tollgate, process",
            Self::Beside => "tollgate beside, power",
            Self::Nginx => "nginx",
        }
    }
}

/// One that answers.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who.
    pub who: Who,
    /// Its process; none of its own is counted for the mock.
    pub pid: Option<Pid>,
    address: SocketAddr,
    keys: Vec<String>,
}

impl Subject {
    /// A chat with `model` for it.
    pub fn chats(&self, model: &str) -> Questions {
        chats(self.address, &self.keys, model)
    }
}

/// All that run.
#[derive(Debug)]
pub struct Fleet {
    gateways: Vec<(Who, Gateway)>,
    others: Vec<(Who, Process, SocketAddr)>,
    mock: SocketAddr,
}

impl Fleet {
    /// Starts all.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(bench: &Bench) -> Result<Self, Fault> {
        let mock = bench.mock.address;
        let (bare, address) = bare(mock, bench.guard)?;
        let mut others = vec![(Who::Bare, bare, address)];
        if nginx::is_installed() {
            let (process, address) = nginx::start(&bench.fresh_directory(), mock, bench.guard)?;
            others.push((Who::Nginx, process, address));
        }
        let mut settings = vec![
            (Who::Power, bench.setting(Durability::Power)),
            (Who::Process, bench.setting(Durability::Process)),
        ];
        if let Some(binary) = bench.options.beside.clone() {
            settings.push((Who::Beside, Setting { binary, ..bench.setting(Durability::Power) }));
        }
        let start = |(who, setting)| Ok((who, Gateway::fresh(&setting)?));
        let gateways = settings.into_iter().map(start).collect::<Result<_, Fault>>()?;
        Ok(Self { gateways, others, mock })
    }

    /// Those that answer, the first two being the mock itself and the bare proxy.
    pub fn subjects(&self) -> Vec<Subject> {
        let keys = self.gateways.first().map(|(_, gateway)| gateway.keys.clone()).unwrap_or_default();
        let subject = |who, pid, address| Subject { who, pid, address, keys: keys.clone() };
        let mut all = vec![subject(Who::Direct, None, self.mock)];
        all.extend(self.others.iter().map(|(who, process, at)| subject(*who, Some(process.pid()), *at)));
        all.extend(self.gateways.iter().map(|(who, gateway)| Subject {
            keys: gateway.keys.clone(),
            ..subject(*who, Some(gateway.pid()), gateway.address)
        }));
        all
    }

    /// Proves the books of the gateways and stops everything.
    ///
    /// # Errors
    /// When they do not add up, or one does not stop well.
    pub fn end(self, bench: &mut Bench) -> Result<(), Fault> {
        for (who, gateway) in self.gateways {
            let rows = gateway.verify().map_err(|what| format!("{}: {what}", who.name()))?;
            let note = format!("of {rows}");
            let row = Row::new("log lines dropped meanwhile", who.name(), "");
            bench.report.add(row.of([amount(gateway.lost_lines())]).note(note));
            gateway.stop()?;
        }
        Ok(())
    }
}

/// This executable, as the bare proxy.
///
/// # Errors
/// When it does not start.
pub fn bare(mock: SocketAddr, guard: Guard) -> Result<(Process, SocketAddr), Fault> {
    let executable = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(executable);
    command.args(["--proxy", &mock.to_string()]);
    let mut process = Process::start("the bare proxy", &command, guard)?;
    let address = process.listening()?;
    Ok((process, address))
}
