//! Where in a body things stand that may have to be changed on its way to the provider.

use std::ops::Range;

/// Where in the body things stand that may have to be changed.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) struct Marks {
    /// Behind the outermost brace.
    pub(in crate::wire) start: usize,
    /// The value of `model`; empty where the body names none.
    pub(in crate::wire) model: Range<usize>,
    /// The value of `stream_options`.
    pub(in crate::wire) stream_options: StreamOptions,
    /// Where Gemini's caps stand.
    pub(in crate::wire) generation_config: Place,
    /// Where a body of Gemini's repeats the model that its path names.
    pub(in crate::wire) repeated_models: Vec<RepeatedModel>,
}

/// A model's name in a body whose path names it too.
#[derive(Clone, Debug)]
pub(in crate::wire) struct RepeatedModel {
    /// The value.
    pub(in crate::wire) span: Range<usize>,
    /// What stands before the name in it.
    pub(in crate::wire) prefix: &'static str,
}

/// An object of a body, in which a member may have to be put.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) enum Place {
    /// Not there.
    #[default]
    Absent,
    /// There, as null.
    Null(Range<usize>),
    /// There.
    Object {
        /// Behind its opening brace.
        start: usize,
        /// Whether members follow.
        continues: bool,
    },
}

/// The `stream_options` of a body.
#[derive(Clone, Debug, Default)]
pub(in crate::wire) enum StreamOptions {
    /// Not there.
    #[default]
    Absent,
    /// There, as null.
    Null(Range<usize>),
    /// An object that says nothing about usage; behind its brace.
    Silent {
        /// Behind its opening brace.
        start: usize,
        /// Whether other members follow.
        continues: bool,
    },
    /// An object with `include_usage`, whose value stands there.
    Usage(Range<usize>),
}
