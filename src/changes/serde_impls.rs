//! Serialization of changes; deserialization rejects a change that no batch could contain.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Change;
use crate::changes::change::ObjectState;
use crate::changes::link_change::LinkChange;
use crate::model::link::Link;
use crate::model::option::TeamOption;
use crate::model::port::Port;

#[derive(Serialize, Deserialize)]
#[serde(rename = "Change")]
struct Repr<T> {
    before: Option<T>,
    latest: T,
    state: ObjectState,
    local: bool,
    events: LinkChange,
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { before, after, state, local, events } = self;
        let (state, local, events) = (*state, *local, *events);
        Repr { before: before.as_ref(), latest: after, state, local, events }.serialize(serializer)
    }
}

impl<T> Repr<T> {
    /// Checks the change and returns it; only options can be local, only links be released.
    fn into_change<E: Error>(self, is_option: bool, is_link: bool) -> Result<Change<T>, E> {
        let Self { before, latest, state, local, events } = self;
        if before.is_none() && matches!(state, ObjectState::Removed | ObjectState::Recreated) {
            return Err(E::custom(
                "invalid change: expected a removed object to have existed before",
            ));
        }
        if state == ObjectState::Released && !is_link {
            return Err(E::custom("invalid change: expected a released object to be a link"));
        }
        if local && !is_option {
            return Err(E::custom(
                "invalid change: expected a locally changed object to be an option",
            ));
        }
        if !events.is_empty() && !is_link {
            return Err(E::custom("invalid change: expected link events for a link only"));
        }
        Ok(Change { before, after: latest, state, local, events })
    }
}

impl<'de> Deserialize<'de> for Change<Link> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Repr::deserialize(deserializer)?.into_change(false, true)
    }
}

impl<'de> Deserialize<'de> for Change<Port> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Repr::deserialize(deserializer)?.into_change(false, false)
    }
}

impl<'de> Deserialize<'de> for Change<TeamOption> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Repr::deserialize(deserializer)?.into_change(true, false)
    }
}
