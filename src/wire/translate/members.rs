//! The members of an object, taken by name. What nobody took is refused at the end, so that nothing is dropped in silence.

use super::value::Value;
use crate::wire::ask::AskFault;

/// See the file's head.
pub(super) struct Members<'a> {
    whole: Value<'a>,
    left: Vec<(String, Value<'a>)>,
}

impl<'a> Members<'a> {
    /// Those of the object that `value` must be. What is null is not there.
    ///
    /// # Errors
    /// When it is no object.
    pub(super) fn of(value: &Value<'a>) -> Result<Self, AskFault> {
        let members = value.members()?.into_iter();
        let left =
            members.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.into_owned(), value));
        Ok(Self { whole: value.clone(), left: left.collect() })
    }

    /// The one of this name.
    pub(super) fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.left.iter().position(|(known, _)| known == name)?;
        Some(self.left.swap_remove(at).1)
    }

    /// The string of this name.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, AskFault> {
        self.take(name).map(|value| value.text()).transpose()
    }

    /// The one of this name, which must be there.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn needed(&mut self, name: &str) -> Result<Value<'a>, AskFault> {
        self.take(name).ok_or_else(|| self.whole.refuse(&format!("must have {name}")))
    }

    /// Refuses the one of this name unless it says nothing, as `idle` does.
    ///
    /// # Errors
    /// When it says something.
    pub(super) fn idle(&mut self, name: &str, idle: &[&str]) -> Result<(), AskFault> {
        self.take(name).map_or(Ok(()), |value| value.must_be_idle(idle))
    }

    /// Passes over members that say nothing whatever they hold.
    pub(super) fn pass(&mut self, names: &[&str]) {
        self.left.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// Refuses what is left.
    ///
    /// # Errors
    /// The first of it.
    pub(super) fn done(self) -> Result<(), AskFault> {
        self.left.first().map_or(Ok(()), |(_, value)| Err(value.inexpressible()))
    }
}
