//! The token API, call by call.

mod create;
mod errors;
mod life;
mod money;
mod pages;
mod users;
