//! The locks of the concurrent core: the system's, or in tests with the feature `schedules` those of an explorer that
//! decides at each of them who goes on. Only what money depends on takes its locks from here.

#[cfg(not(all(test, feature = "schedules")))]
pub use std::sync::atomic::AtomicBool;
#[cfg(not(all(test, feature = "schedules")))]
pub use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(test, feature = "schedules"))]
pub use shuttle::sync::atomic::AtomicBool;
#[cfg(all(test, feature = "schedules"))]
pub use shuttle::sync::{Condvar, Mutex, MutexGuard};
