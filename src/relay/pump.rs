//! The pump: owns an exchange with a provider from the hold to the settlement, whatever its client does.

mod events;
mod follow_up;
mod free;
mod kept;
mod plain;
mod refused;
mod sound;
mod stream;

use std::borrow::Cow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use tokio::time::Instant;

use crate::admission::{Admission, PendingAdmission, Refusal};
use crate::catalogue::Provider;
use crate::channels::client::{
    Fault, HeaderMap, Line, Method, Patience, ProviderReply, ProviderRequest, connect,
};
use crate::channels::{Channel, demo};
use crate::ids::{ChannelName, RequestId};
use crate::ledger::Charged;
use crate::relay::buffers::Buffered;
use crate::relay::client::Client;
use crate::relay::failure::{Failure, Listener, refused as refusal_failure};
use crate::relay::headers::{Headers, of_provider, of_rates, remaining_credits};
use crate::relay::metered::{Metered, recorded};
use crate::relay::running::Run;
use crate::relay::stopwatch::Stopwatch;
use crate::relay::verdict::Ending;
use crate::relay::{OnDisconnect, Relay};
use crate::telemetry::{RequestLine, UpstreamError};
use crate::tokens::ApiToken;
use crate::wire::{
    Ask, Call, Charge, Cut, Dialect, Form, Meter, Metering, Outgoing, Translation, UsageEvent, outgoing,
    percent,
};

use events::Events;
pub use follow_up::{FollowUp, run_follow_up};

/// How long an abandoned stream is read on, for a usage figure already under way.
const FAREWELL: Duration = Duration::from_secs(2);

/// Stands for the model in a path.
const MODEL: &str = "{id}";

/// What a pump works on.
pub struct Exchange {
    /// The relay it belongs to.
    pub relay: Arc<Relay>,
    /// What the table says of it; where it is translated, as the provider is asked.
    pub call: &'static Call,
    /// The client's dialect.
    pub dialect: Dialect,
    /// How it is translated, where the provider speaks another one.
    pub translation: Option<Box<Translation>>,
    /// Path and query at the provider.
    pub target: Cow<'static, str>,
    /// What was asked; where it is translated, as the provider is asked.
    pub ask: Arc<Ask>,
    /// The client's headers that pass.
    pub headers: HeaderMap,
    /// The token that asks.
    pub token: Arc<ApiToken>,
    /// The one channel that may serve it: that which made the response it goes on from. `None` for all others.
    pub only: Option<ChannelName>,
    /// The request's id.
    pub id: RequestId,
    /// Measures what of its time is the gateway's own.
    pub watch: Stopwatch,
    /// The body's share of what may be buffered.
    pub buffered: Buffered,
}

/// A request that the gate lets through, and how its answer is read.
pub struct Admitted {
    /// It holds the money.
    pub pending: PendingAdmission,
    /// Where the usage stands.
    pub metering: Metering,
}

/// Runs an exchange to its end. When the gateway stops and does not wait any longer, it is dropped where it stands, and
/// settles as if its client had left.
pub async fn run(
    mut run: Run,
    exchange: Exchange,
    admitted: Admitted,
    mut client: Client,
    line: RequestLine,
) {
    tokio::select! {
        biased;
        () = run.cut() => {}
        () = exchange.perform(admitted, &mut client, line) => {
            exchange.relay.metrics.overhead.time(exchange.watch.own());
        }
    }
}

/// The two ends of an exchange: the channel, the money and the meter on the provider's side, and the client.
struct Ends<'a> {
    channel: &'a Channel,
    metered: Metered,
    client: &'a mut Client,
}

/// What is rare on the way of a request: boxed, so that it is no part of every request's future.
type Rare<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The way to a provider, ready to carry one request.
enum Way {
    Line(Line),
    Demo,
}

impl Exchange {
    async fn perform(&self, admitted: Admitted, client: &mut Client, mut line: RequestLine) {
        let Admitted { pending, metering } = admitted;
        let began = Instant::now();
        let cap = pending.cap();
        let Some(channel) = self.relay.directory.channel(pending.channel().as_str()).cloned() else {
            return client.fail(Failure::storage_unavailable()).await;
        };
        line.channel = Some(channel.name.as_str().to_owned());
        // Connecting may overlap with the commit; sending may not (R2).
        let ((admission, held), way) = join(self.hold(pending), find_way(&channel)).await;
        self.watch.add(held.elapsed());
        let admission = match admission {
            Ok(admission) => admission,
            Err(refusal) => return self.fail_unrecorded(&refusal, client, line).await,
        };
        let is_clients = self.ask.wants_usage || !channel.stream_usage;
        let usage_event = if is_clients { UsageEvent::Client } else { UsageEvent::Gateway };
        let meter = Meter::new(metering, usage_event);
        let mut ends = Ends { channel: &channel, metered: Metered::new(admission, line, meter), client };
        let way = match way {
            Ok(way) => way,
            Err(fault) => return self.fail(Ending::Refused, &fault, &mut ends).await,
        };
        if ends.client.has_left() {
            return;
        }
        let is_capped = cap.is_sent || self.translation.as_deref().is_some_and(|told| told.caps(&self.ask));
        let request = self.request_of(&channel, self.cut(&channel, is_capped.then_some(cap.tokens)));
        ends.metered.dispatch();
        let patience = if self.ask.stream {
            Patience::stream(&channel.timeouts, began)
        } else {
            Patience::plain(&channel.timeouts, began)
        };
        let sending = pin!(self.send(way, request, patience));
        let reply = match self.unless_abandoned(self.watch.wait(sending), ends.client).await {
            Some(Ok(reply)) => reply,
            Some(Err(fault)) => {
                let ending = if fault.was_sent() { Ending::Unanswered } else { Ending::Refused };
                return self.fail(ending, &fault, &mut ends).await;
            }
            None => return,
        };
        let lowered = cap.is_lowered.then_some(cap.tokens);
        self.relay_reply(reply, lowered, &mut ends).await;
    }

    /// Waits until the money is held on disk; since when it is.
    async fn hold(&self, pending: PendingAdmission) -> (Result<Admission, Refusal>, Instant) {
        let admission = pending.durable().await;
        if admission.is_ok() {
            self.relay.metrics.hold.time(self.watch.since_mark());
        }
        (admission, Instant::now())
    }

    /// The body for `channel`, with `cap` in it where there must be one.
    fn cut(&self, channel: &Channel, cap: Option<i64>) -> Bytes {
        let model = Some(channel.provider_model(&self.ask.model));
        let (cap, cap_field, ask_usage) = match self.call.cut {
            Cut::Chat => (cap, channel.output_cap_field.as_str(), channel.stream_usage),
            Cut::Completions => (cap, "max_tokens", channel.stream_usage),
            Cut::Responses => (cap, "max_output_tokens", false),
            Cut::Messages => (cap, "max_tokens", false),
            Cut::Generate => (cap, "maxOutputTokens", false),
            Cut::Nothing => (None, "", false),
        };
        outgoing(&self.ask, &Outgoing { model, cap, cap_field, ask_usage })
    }

    fn request_of(&self, channel: &Channel, body: Bytes) -> ProviderRequest {
        ProviderRequest {
            method: Method::POST,
            path_and_query: self.target_of(channel),
            headers: self.headers.clone(),
            body,
        }
    }

    /// Path and query at `channel`, with its own name of the model where that stands in them.
    fn target_of(&self, channel: &Channel) -> String {
        if !self.call.path.contains(MODEL) {
            return self.target.clone().into_owned();
        }
        self.target.replacen(MODEL, &percent::encode(channel.provider_model(&self.ask.model)), 1)
    }

    /// Whom failures are told.
    fn listener(&self) -> Listener {
        Listener { dialect: self.dialect, id: self.id }
    }

    async fn send(
        &self,
        way: Way,
        request: ProviderRequest,
        patience: Patience,
    ) -> Result<ProviderReply, Fault> {
        match way {
            Way::Line(line) => line.send(request, patience).await,
            Way::Demo => Ok(demo::answer(&request.path_and_query, &request.body, self.relay.clock.now())),
        }
    }

    /// Waits for a head. A client that leaves meanwhile ends the wait of a stream soon; `None` then. A plain answer is waited for
    /// all the same: its provider bills it whole.
    async fn unless_abandoned<T>(&self, waiting: impl Future<Output = T>, client: &mut Client) -> Option<T> {
        let mut waiting = pin!(waiting);
        if !self.may_abort() {
            return Some(waiting.await);
        }
        tokio::select! {
            biased;
            done = &mut waiting => Some(done),
            () = client.gone() => tokio::time::timeout(FAREWELL, waiting).await.ok(),
        }
    }

    /// Whether the exchange ends soon after its client has left. An image is billed whole, also one that comes in a stream, and
    /// its last preview shows nearly all of it.
    fn may_abort(&self) -> bool {
        let is_billed_whole = self.call.charge == Charge::Metered(Metering::Images);
        self.ask.stream && !is_billed_whole && self.relay.settings.on_disconnect == OnDisconnect::Abort
    }

    async fn relay_reply(&self, reply: ProviderReply, lowered: Option<i64>, ends: &mut Ends<'_>) {
        let mut headers = of_provider(&reply);
        if let Some(cap) = lowered {
            headers.push(("x-tollgate-output-cap", cap.to_string()));
        }
        if !reply.status.is_success() {
            return Box::pin(self.relay_refusal(reply, headers, ends)).await;
        }
        if let Some(encoding) = encoding_of(&reply) {
            let name = ends.channel.name.as_str();
            log::warn!("channel {name:?} answered with content-encoding {encoding:?}");
            self.count(UpstreamError::NotAnAnswer);
            let failure = Failure::upstream("The model's provider answered with a compressed body.");
            return self.settle_failed(Ending::Broken, failure, ends).await;
        }
        if let Some(content_type) = self.bare_type(&reply) {
            return Box::pin(self.relay_sound(content_type, reply, headers, ends)).await;
        }
        let retelling = self.translation.as_ref().map(|translation| translation.stream());
        if is_event_stream(&reply) {
            let events = Events::sent(self.relay.settings.max_event_bytes).retold(retelling);
            Box::pin(self.relay_stream(reply.body, events, headers, ends)).await;
        } else if self.ask.form == Form::StreamGenerate {
            if retelling.is_none() {
                headers.push(("content-type", "application/json".to_owned()));
                ends.client.tell_in_array();
            }
            let events = Events::in_array(self.relay.settings.max_event_bytes).retold(retelling);
            Box::pin(self.relay_stream(reply.body, events, headers, ends)).await;
        } else {
            self.relay_plain(reply, headers, ends).await;
        }
    }

    /// The hold could not be recorded: nothing was sent, and nothing is charged.
    fn fail_unrecorded<'a>(
        &'a self,
        refusal: &'a Refusal,
        client: &'a mut Client,
        line: RequestLine,
    ) -> Rare<'a> {
        Box::pin(async move {
            let failure = refusal_failure(refusal, &self.token, &self.ask.model, self.ask.form);
            line.log(failure.status, Some(failure.code));
            client.fail(failure).await;
        })
    }

    /// A fault of the channel ends the exchange.
    fn fail<'a>(&'a self, ending: Ending, fault: &Fault, ends: &'a mut Ends<'_>) -> Rare<'a> {
        log::warn!("request {}: {fault}", self.id);
        self.count(kind_of(fault));
        self.settle_failed(ending, Failure::of_fault(fault), ends)
    }

    /// Settles an exchange that went wrong, and tells the client once the books are closed.
    fn settle_failed<'a>(&'a self, ending: Ending, mut failure: Failure, ends: &'a mut Ends<'_>) -> Rare<'a> {
        Box::pin(async move {
            let status = if ends.client.is_waiting() { failure.status } else { 200 };
            if let Some(charged) = ends.metered.settle(ending, status, Some(failure.code)) {
                self.close(charged).await;
            }
            failure.headers.extend(self.rate_headers());
            self.watch.wait(pin!(ends.client.fail(failure))).await;
        })
    }

    /// Waits until a settlement is on disk; whether it is known to be.
    async fn close(&self, charged: Charged) -> bool {
        let recorded = recorded(charged, &self.relay.metrics).await;
        if let Err(fault) = &recorded {
            log::error!("request {}: its settlement is not recorded yet: {fault}", self.id);
        }
        recorded.is_ok()
    }

    fn count(&self, error: UpstreamError) {
        self.relay.metrics.count_upstream_error(error);
    }

    /// The headers that tell the token's rates and, of a plain answer, what is left of its budgets.
    pub fn rate_headers(&self) -> Headers {
        let states = self.relay.gate.rate_states(&self.token);
        of_rates(states, self.listener().dialect, || self.relay.clock.now())
    }

    fn remaining_header(&self) -> Option<(&'static str, String)> {
        let remaining = self.relay.gate.remaining(&self.token, self.relay.clock.now())?;
        Some(("x-tollgate-remaining-credits", remaining_credits(remaining)))
    }
}

async fn find_way(channel: &Arc<Channel>) -> Result<Way, Fault> {
    match channel.provider {
        Provider::Demo => Ok(Way::Demo),
        Provider::OpenAi | Provider::Anthropic | Provider::Gemini => connect(channel).await.map(Way::Line),
    }
}

const fn kind_of(fault: &Fault) -> UpstreamError {
    match fault {
        Fault::Unreachable { .. } => UpstreamError::Unreachable,
        Fault::ConnectTimeout => UpstreamError::ConnectTimeout,
        Fault::Tls { .. } => UpstreamError::Tls,
        Fault::NoHead { .. } | Fault::Upgraded => UpstreamError::NoHead,
        Fault::HeadTimeout | Fault::IdleTimeout | Fault::TotalTimeout => UpstreamError::Timeout,
        Fault::Cut { .. } => UpstreamError::Cut,
    }
}

fn encoding_of(reply: &ProviderReply) -> Option<String> {
    let encoding = reply.headers.get("content-encoding")?.to_str().unwrap_or("?");
    (!encoding.eq_ignore_ascii_case("identity")).then(|| encoding.chars().take(40).collect())
}

fn is_event_stream(reply: &ProviderReply) -> bool {
    let content_type = reply.headers.get("content-type").map(|value| value.as_bytes()).unwrap_or_default();
    let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
