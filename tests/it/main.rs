//! The black-box tests: the real binary on a free port, a scripted provider behind it, and the contract between.
//! Cases are named after the table of threats they come from. Nothing here knows a line of the program, but for
//! `tidy`, which reads its sources.

#[cfg(test)]
mod harness;

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod allow_list;
#[cfg(test)]
mod anthropic;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod barriers;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod config_cli;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod first_start;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod gemini;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod harness_works;
#[cfg(test)]
mod images;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod moderations;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod races;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod speech;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod system;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod token_api;
#[cfg(test)]
mod transcriptions;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod translate;
#[cfg(test)]
mod translate_chat;
#[cfg(test)]
mod translate_gemini;
#[cfg(test)]
mod translate_messages;
#[cfg(test)]
mod translate_responses;
#[cfg(test)]
mod upstream;
