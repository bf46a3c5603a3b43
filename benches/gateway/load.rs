//! The load: closed loops (each connection asks again when it is answered) and open ones (asked at fixed times, whatever
//! the answers do). One thread, no allocation per request. Every answer is checked; must not know who answers.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::Pid;
use tokio::task::LocalSet;

use crate::Fault;
use crate::process::Counts;
use crate::stats::{amount, percentile};
use crate::wire::{Answer, Line};

/// How much longer than planned a run may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections of an open loop.
const OPEN_CONNECTIONS: u32 = 64;

/// What is asked, and what must come back.
#[derive(Clone, Debug)]
pub struct Questions {
    /// Where.
    pub address: SocketAddr,
    /// The requests; each connection takes its share of them in turn.
    pub requests: Vec<Bytes>,
    /// The status of every answer.
    pub status: u16,
    /// The events of every answer, at least.
    pub events: usize,
}

/// A measured closed loop.
#[derive(Debug)]
pub struct Closed {
    /// Answers in a second.
    pub rate: f64,
    /// Microseconds of CPU of the process under test, for each answer; by thread as well.
    pub cpu: f64,
    /// The same, by thread name.
    pub by_thread: Vec<(String, f64)>,
}

/// A measured open loop: percentiles in milliseconds.
#[derive(Copy, Clone, Debug)]
pub struct Open {
    /// Half of the answers were whole after this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// Half of the answers had begun their body after this.
    pub first_p50: f64,
    /// 99 of 100.
    pub first_p99: f64,
}

/// One figure of an open loop.
pub type Pick = fn(&Open) -> f64;

/// How a closed loop is run.
#[derive(Copy, Clone, Debug)]
pub struct Plan {
    /// Connections.
    pub connections: usize,
    /// Unmeasured, before.
    pub warm: Duration,
    /// Measured.
    pub time: Duration,
}

struct Shared {
    questions: Questions,
    served: Cell<u64>,
    is_over: Cell<bool>,
    wrong: RefCell<Option<Fault>>,
}

impl Shared {
    fn of(questions: &Questions) -> Rc<Self> {
        Rc::new(Self {
            questions: questions.clone(),
            served: Cell::new(0),
            is_over: Cell::new(false),
            wrong: RefCell::default(),
        })
    }

    /// Takes an answer; `None`, and the end of the run, when it is a wrong one.
    fn check(&self, answer: std::io::Result<Answer>, line: &Line) -> Option<Answer> {
        let what = match answer {
            Ok(answer)
                if answer.status == self.questions.status && answer.events >= self.questions.events =>
            {
                return Some(answer);
            }
            Ok(answer) => {
                let body = String::from_utf8_lossy(line.body()).chars().take(500).collect::<String>();
                format!("status {}, {} events: {body}", answer.status, answer.events)
            }
            Err(error) => format!("no answer: {error}"),
        };
        self.wrong.borrow_mut().get_or_insert(what);
        self.is_over.set(true);
        None
    }

    fn verdict(&self) -> Result<(), Fault> {
        self.wrong.borrow_mut().take().map_or(Ok(()), Err)
    }
}

/// Runs a closed loop against `questions`, counting the CPU of `under_test`.
///
/// # Errors
/// When an answer is wrong or lacking.
pub fn closed(questions: &Questions, plan: Plan, under_test: Option<Pid>) -> Result<Closed, Fault> {
    let count = || under_test.map(Counts::of).unwrap_or_default();
    run(plan.warm + plan.time + PATIENCE, async move {
        let shared = Shared::of(questions);
        let loops: Vec<_> = (0..plan.connections)
            .map(|number| tokio::task::spawn_local(ask_again(Rc::clone(&shared), number, plan.connections)))
            .collect();
        tokio::time::sleep(plan.warm).await;
        let (began, cpu, served) = (Instant::now(), count(), shared.served.get());
        tokio::time::sleep(plan.time).await;
        let (took, spent) = (began.elapsed(), count());
        let served = amount(shared.served.get() - served);
        shared.is_over.set(true);
        for each in loops {
            each.await.map_err(|error| error.to_string())?;
        }
        shared.verdict()?;
        let each = |micros: f64| micros / served;
        let by_thread = spent.by_thread(&cpu).into_iter().map(|(name, micros)| (name, each(micros)));
        Ok(Closed {
            rate: served / took.as_secs_f64(),
            cpu: each(spent.since(&cpu)),
            by_thread: by_thread.collect(),
        })
    })
}

async fn ask_again(shared: Rc<Shared>, number: usize, connections: usize) {
    let mut line = Line::to(shared.questions.address);
    let requests = &shared.questions.requests;
    let mut at = number;
    while !shared.is_over.get() {
        let answer = line.ask(&requests[at % requests.len()]).await;
        if shared.check(answer, &line).is_none() {
            return;
        }
        shared.served.set(shared.served.get() + 1);
        at += connections;
    }
}

/// Asks `rate` times a second for `time`; the first tenth is not measured.
///
/// # Errors
/// When an answer is wrong or lacking.
pub fn open(questions: &Questions, rate: u32, time: Duration) -> Result<Open, Fault> {
    run(time + PATIENCE, async move {
        let shared = Shared::of(questions);
        let plan = Schedule { begin: Instant::now(), step: Duration::from_secs(1) / rate, time };
        let loops: Vec<_> = (0..OPEN_CONNECTIONS)
            .map(|number| tokio::task::spawn_local(ask_on_time(Rc::clone(&shared), number, plan)))
            .collect();
        let (mut whole, mut first) = (Vec::new(), Vec::new());
        for each in loops {
            for (began, ended) in each.await.map_err(|error| error.to_string())? {
                first.push(began);
                whole.push(ended);
            }
        }
        shared.verdict()?;
        whole.sort_by(f64::total_cmp);
        first.sort_by(f64::total_cmp);
        Ok(Open {
            p50: percentile(&whole, 0.5),
            p99: percentile(&whole, 0.99),
            first_p50: percentile(&first, 0.5),
            first_p99: percentile(&first, 0.99),
        })
    })
}

#[derive(Copy, Clone, Debug)]
struct Schedule {
    begin: Instant,
    step: Duration,
    time: Duration,
}

/// Asks at this connection's times. An answer is timed from when its question was due if the connection was still busy then,
/// else from when it was sent: the timer's millisecond is not the server's.
async fn ask_on_time(shared: Rc<Shared>, number: u32, plan: Schedule) -> Vec<(f64, f64)> {
    let mut line = Line::to(shared.questions.address);
    let requests = &shared.questions.requests;
    let (mut samples, mut tick) = (Vec::new(), number);
    loop {
        let due = plan.begin + plan.step * tick;
        if due >= plan.begin + plan.time || shared.is_over.get() {
            return samples;
        }
        let is_late = Instant::now() > due;
        tokio::time::sleep_until(due.into()).await;
        let from = if is_late { due } else { Instant::now() };
        let at = usize::try_from(tick).unwrap_or(0) % requests.len();
        let answer = line.ask(&requests[at]).await;
        let Some(answer) = shared.check(answer, &line) else { return samples };
        let since = |then: Instant| then.saturating_duration_since(from).as_secs_f64() * 1e3;
        if due > plan.begin + plan.time / 10 {
            samples.push((since(answer.first), since(answer.last)));
        }
        tick += OPEN_CONNECTIONS;
    }
}

/// Opens `count` streams within `ramp` and calls `midway` when all stand; returns when all have ended.
///
/// # Errors
/// When an answer is wrong or lacking.
pub fn streams<T>(
    questions: &Questions,
    count: u32,
    ramp: Duration,
    midway: impl FnOnce() -> T,
) -> Result<T, Fault> {
    run(ramp + 4 * PATIENCE, async move {
        let shared = Shared::of(questions);
        let one = |number: u32| {
            let shared = Rc::clone(&shared);
            async move {
                tokio::time::sleep(ramp * number / count).await;
                let mut line = Line::to(shared.questions.address);
                let at = usize::try_from(number).unwrap_or(0) % shared.questions.requests.len();
                let answer = line.ask(&shared.questions.requests[at]).await;
                shared.check(answer, &line);
            }
        };
        let all: Vec<_> = (0..count).map(|number| tokio::task::spawn_local(one(number))).collect();
        tokio::time::sleep(ramp + Duration::from_secs(1)).await;
        let found = midway();
        for each in all {
            each.await.map_err(|error| error.to_string())?;
        }
        shared.verdict()?;
        Ok(found)
    })
}

/// One request, its answer's status and body.
///
/// # Errors
/// When there is no answer.
pub fn ask_once(address: SocketAddr, request: Bytes) -> Result<(u16, Vec<u8>), Fault> {
    run(PATIENCE, async move {
        let mut line = Line::to(address);
        let answer = line.ask(&request).await.map_err(|error| format!("no answer: {error}"))?;
        Ok((answer.status, line.body().to_vec()))
    })
}

fn run<T>(at_most: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let timed = async { tokio::time::timeout(at_most, work).await };
    runtime
        .block_on(LocalSet::new().run_until(timed))
        .unwrap_or_else(|_| Err(format!("not done after {at_most:?}")))
}
