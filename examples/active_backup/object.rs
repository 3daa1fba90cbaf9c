//! Stricter parsing of objects: the code that serde derives accepts an array in place of an object,
//! and for a map with a duplicate key keeps the last value.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A type that is written as an object.
pub(crate) trait Object {
    /// The name of the object in errors.
    const NAME: &'static str;
    /// The error for an array.
    const NO_ARRAY: &'static str = "expected an object, not an array";
}

/// Parses an object.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Object + Deserialize<'de>>(
    text: D,
) -> Result<T, D::Error> {
    text.deserialize_any(ObjectVisitor(PhantomData))
}

/// Parses an object that is optional.
pub(crate) fn some_object<'de, D: Deserializer<'de>, T: Object + Deserialize<'de>>(
    text: D,
) -> Result<Option<T>, D::Error> {
    object(text).map(Some)
}

/// Parses the ports: an object whose keys are unique names and whose values are objects.
pub(crate) fn ports<'de, D: Deserializer<'de>, T: Object + Deserialize<'de>>(
    text: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    text.deserialize_any(PortsVisitor(PhantomData))
}

/// Parses a word of an enumeration.
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
