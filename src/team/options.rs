//! Setting any option by its name.

use crate::error::{Error, Result};
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::team::TeamHandle;
use crate::team::driver;
use crate::team::set_results::{SetResult, setting_op, settings_op};

/// # Options by name
///
/// These methods set options of the driver without a method of their own, and many options at once.
/// They send requests.
impl TeamHandle {
    /// Sets an option.
    ///
    /// The driver replies with an error if it set the option, but could not announce it because the
    /// buffers of all listeners are full. The method then reads the option back, and succeeds if
    /// the option has the value.
    ///
    /// # Errors
    ///
    /// - [`Error::UnknownOption`] if the team does not have the option in its current mode.
    /// - [`Error::NotPort`] for an option of a link that is not a port, or has just left the team.
    /// - [`Error::OptionType`] and [`Error::OptionValue`], before anything is sent, if the type or
    ///   the value is invalid for the option.
    /// - [`Error::Kernel`] with the driver's error number; the driver sends no message.
    /// - [`Error::DeviceGone`] if the team was deleted.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{OptionId, OptionValue, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let count = OptionId::global("notify_peers_count");
    /// team.set_option(&count, 3_u32)?;
    /// assert_eq!(team.option(&count).map(|option| option.value()), Some(&OptionValue::U32(3)));
    ///
    /// let error = team.set_option(&count, "three").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "setting option notify_peers_count of team0: invalid value of type string: expected u32",
    /// );
    /// team.destroy()?;
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `TEAM_CMD_OPTIONS_SET`, `linux/if_team.h`; `team_nl_options_set_doit` in the kernel's
    /// `drivers/net/team/team_core.c`.
    #[doc(alias = "team_set_option_value_u32")]
    #[doc(alias = "team_set_option_value_s32")]
    #[doc(alias = "team_set_option_value_bool")]
    #[doc(alias = "team_set_option_value_string")]
    #[doc(alias = "team_set_option_value_binary")]
    pub fn set_option(&mut self, id: &OptionId, value: impl Into<OptionValue>) -> Result<()> {
        self.set_options([(id.clone(), value.into())])
    }

    /// Sets an option to a value that is parsed from text.
    ///
    /// [`OptionType::parse`](crate::OptionType::parse) parses the text by the type of the option.
    ///
    /// # Errors
    ///
    /// - [`Error::OptionParse`] if the text is not a value of the option's type.
    /// - [`Error::UnknownOption`] and [`Error::NotPort`] before anything is sent.
    /// - The errors of [`set_option`](Self::set_option).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{OptionId, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// let count = OptionId::global("notify_peers_count");
    /// team.set_option_str(&count, "3")?;
    /// assert_eq!(team.notify_peers_count(), Some(3));
    ///
    /// let error = team.set_option_str(&count, "three").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "setting option notify_peers_count of team0: invalid u32 \"three\": \
    ///      expected a decimal number up to 4294967295",
    /// );
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// That of [`set_option`](Self::set_option).
    #[doc(alias = "team_set_option_value_from_string")]
    pub fn set_option_str(&mut self, id: &OptionId, text: &str) -> Result<()> {
        let as_text = OptionValue::from(text);
        self.sync(|team| setting_op(team, id, &as_text))?;
        let Some(expected) = self.value(id).map(OptionValue::option_type) else {
            return Err(self.unknown_option(id, &as_text));
        };
        let value = expected.parse(text).map_err(|error| Error::OptionParse {
            team: self.name().to_owned(),
            id: id.clone(),
            error,
        })?;
        self.set_known_options(&[(id.clone(), value)])
    }

    /// Sets many options in this order, with one system call for several hundred of them.
    ///
    /// The options are independent: if the driver rejects one, the others are set nevertheless.
    ///
    /// # Errors
    ///
    /// Those of [`set_option`](Self::set_option), for the first option that could not be set. With
    /// [`Error::OptionType`] and [`Error::OptionValue`], no option is set; after any other error,
    /// all options are set that could be set.
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::{OptionId, TeamHandle};
    ///
    /// # test_netns::enter();
    /// let mut team = TeamHandle::create("team0")?;
    /// team.set_options([
    ///     (OptionId::global("mode"), "loadbalance".into()),
    ///     (OptionId::global("notify_peers_count"), 2_u32.into()),
    ///     (OptionId::global("lb_tx_method"), "hash_to_port_mapping".into()),
    /// ])?;
    ///
    /// let error = team.set_options([
    ///     (OptionId::global("activeport"), 1_u32.into()),
    ///     (OptionId::global("notify_peers_count"), 3_u32.into()),
    /// ]);
    /// assert_eq!(
    ///     error.unwrap_err().to_string(),
    ///     "setting option activeport of team0 to 1: no such option (ENOENT)",
    /// );
    /// assert_eq!(team.notify_peers_count(), Some(3));
    /// team.destroy()?;
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `TEAM_CMD_OPTIONS_SET`, `linux/if_team.h`; one message for each option.
    pub fn set_options<I>(&mut self, options: I) -> Result<()>
    where
        I: IntoIterator<Item = (OptionId, OptionValue)>,
    {
        let options: Vec<_> = options.into_iter().collect();
        self.sync(|team| settings_op(team, &options))?;
        self.set_known_options(&options)
    }

    /// Like [`set_options`](Self::set_options), but requires a [`sync`](Self::sync) before.
    pub(super) fn set_known_options(&mut self, options: &[(OptionId, OptionValue)]) -> Result<()> {
        let team = self.ifindex();
        let requests = options
            .iter()
            .map(|(id, value)| driver::set_request(team, self.name(), id, value))
            .collect::<Result<Vec<_>>>()?;
        options.iter().try_for_each(|(id, value)| self.check_type(id, value))?;
        let mut results: Vec<_> = options.iter().map(|_| SetResult::NoReply).collect();
        // A rejected option is not a failure of the exchange: `check_results` returns its error.
        let exchange = self.session.genl.set_options(requests, |position, reply| {
            if let Some(result) = results.get_mut(position) {
                *result = reply.map_or_else(SetResult::Rejected, |()| SetResult::Set);
            }
        });
        self.sync_after(&exchange, |team| settings_op(team, options))?;
        let result = self.check_results(options, results, exchange);
        self.update_readiness()?;
        result
    }

    /// Checks the type of a value: for a wrong type, the driver only replies `ENOENT`.
    fn check_type(&self, id: &OptionId, value: &OptionValue) -> Result<()> {
        let (Some(expected), found) =
            (self.value(id).map(OptionValue::option_type), value.option_type())
        else {
            return Ok(());
        };
        if expected == found {
            Ok(())
        } else {
            Err(Error::OptionType { team: self.name().to_owned(), id: id.clone(), expected, found })
        }
    }

    /// Returns the value of an option from the cache.
    pub(super) fn value(&self, id: &OptionId) -> Option<&OptionValue> {
        self.session.cache().options().value(id)
    }

    pub(super) fn u32_value(&self, id: &OptionId) -> Option<u32> {
        match self.value(id)? {
            OptionValue::U32(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn i32_value(&self, id: &OptionId) -> Option<i32> {
        match self.value(id)? {
            OptionValue::I32(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn bool_value(&self, id: &OptionId) -> Option<bool> {
        match self.value(id)? {
            OptionValue::Bool(on) => Some(*on),
            _ => None,
        }
    }
}
