//! The only file that knows an HTTP client.
