//! Replies in tables.
