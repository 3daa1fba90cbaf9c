//! Objects of the configuration. What serde derives would accept an array in place of an object,
//! and keep the last of several values that a map has for one key.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What is written as an object.
pub(crate) trait Object {
    /// What the object is, for errors.
    const NAME: &'static str;
    /// Why it cannot be an array.
    const NO_ARRAY: &'static str = "it has to be an object, not an array";
}

/// Reads an object.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Object + Deserialize<'de>>(
    text: D,
) -> Result<T, D::Error> {
    text.deserialize_any(ObjectVisitor(PhantomData))
}

/// Reads an object that may be left out.
pub(crate) fn some_object<'de, D: Deserializer<'de>, T: Object + Deserialize<'de>>(
    text: D,
) -> Result<Option<T>, D::Error> {
    object(text).map(Some)
}

/// Reads the ports: an object whose keys are names, each of which may be there once, and whose
/// values are objects.
pub(crate) fn ports<'de, D: Deserializer<'de>, T: Object + Deserialize<'de>>(
    text: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    text.deserialize_any(PortsVisitor(PhantomData))
}

/// Reads one of the words that an enumeration has.
pub(crate) fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(text: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(text)?.into_deserializer())
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Object + Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object, {}", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(A::Error::custom(format_args!("{}: {}", T::NAME, T::NO_ARRAY)))
    }
}

struct PortsVisitor<T>(PhantomData<T>);

impl<'de, T: Object + Deserialize<'de>> Visitor<'de> for PortsVisitor<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, `ports`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut objects = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let Checked(object) = map.next_value()?;
            if objects.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            objects.insert(name, object);
        }
        Ok(objects)
    }
}

/// A value that is an object.
pub(crate) struct Checked<T>(pub(crate) T);

impl<'de, T: Object + Deserialize<'de>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        object(text).map(Self)
    }
}
