//! Commands to the team driver over generic netlink.

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::model::ifindex::IfIndex;
use crate::model::option::OptionId;
use crate::model::option_value::OptionValue;
use crate::netlink::codec::ctrl::{self, Family};
use crate::netlink::codec::team::{self, EVENT_GROUP, FAMILY, TeamMessage, TeamRequest};
use crate::netlink::error::{ErrorContext, KernelError, RequestError};
use crate::netlink::request::{Part, Request, RequestSocket};

/// A connection for commands to the team driver.
#[derive(Debug)]
pub(crate) struct TeamDriver {
    socket: RequestSocket,
    family: Family,
}

impl TeamDriver {
    /// Requests the numbers of the driver's family, which are valid until the module is reloaded.
    pub(crate) fn resolve(mut socket: RequestSocket) -> Result<Self> {
        let mut family = None;
        let reply = socket.send(Request::command(ctrl::family_request(FAMILY), 0), |part| {
            if let Part::Message(frame) = part {
                family = Some(ctrl::decode_family(frame.payload, EVENT_GROUP)?);
            }
            Ok(())
        });
        if let Err(error) = &reply {
            if error.is(Errno::ENOENT) {
                return Err(Error::FamilyNotFound);
            }
        }
        reply.with_context(|| "looking up generic netlink family team".to_owned())?;
        let family = family.ok_or(Error::FamilyNotFound)?;
        Ok(Self { socket, family })
    }

    /// Returns the number of the multicast group for the driver's events.
    pub(crate) fn event_group(&self) -> u32 {
        self.family.group
    }

    /// See [`RequestSocket::interrupted_dumps`].
    pub(crate) fn interrupted_dumps(&self) -> u64 {
        self.socket.interrupted_dumps()
    }

    /// Returns the message type of the driver's events.
    pub(crate) fn family_id(&self) -> u16 {
        self.family.id
    }

    /// Requests all ports of a team.
    pub(crate) fn ports(&mut self, team: IfIndex) -> Result<TeamMessage, RequestError> {
        let mut list = TeamMessage::Ports(Vec::new());
        self.list_into(&mut list, TeamRequest::port_list_get(team), team)?;
        Ok(list)
    }

    /// Requests the indices of a team's ports; returns none if the request fails.
    pub(crate) fn port_indices(&mut self, team: IfIndex) -> impl Iterator<Item = IfIndex> {
        let ports = match self.ports(team) {
            Ok(TeamMessage::Ports(ports)) => ports,
            _ => Vec::new(),
        };
        ports.into_iter().map(|item| item.port.ifindex())
    }

    /// Requests all options of a team, or those before one that is too long for a message.
    pub(crate) fn options(&mut self, team: IfIndex) -> Result<TeamMessage, RequestError> {
        let mut list = TeamMessage::Options(Vec::new());
        match (self.list_into(&mut list, TeamRequest::options_get(team), team), list) {
            (Err(error), TeamMessage::Options(first)) if error.is(Errno::EMSGSIZE) => {
                Ok(TeamMessage::TruncatedOptions(first))
            }
            (result, list) => result.map(|()| list),
        }
    }

    /// Sets many options in order; `reply` gets the position and the result of each.
    pub(crate) fn set_options(
        &mut self,
        requests: Vec<TeamRequest>,
        reply: impl FnMut(usize, Result<(), KernelError>),
    ) -> Result<(), RequestError> {
        let family = self.family.id;
        self.socket
            .send_batch(requests.into_iter().map(|request| request.for_family(family)), reply)
    }

    fn list_into(
        &mut self,
        list: &mut TeamMessage,
        request: TeamRequest,
        team: IfIndex,
    ) -> Result<(), RequestError> {
        let request = Request::list(request.for_family(self.family.id));
        self.socket.send(request, |part| {
            match part {
                Part::Start { .. } => list.clear(),
                Part::Message(frame) => {
                    if let Some(message) = team::decode(frame.payload, team)? {
                        list.extend(message);
                    }
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Builds the request that sets an option of the team with this index and name.
pub(crate) fn set_request(
    team: IfIndex,
    name: &str,
    id: &OptionId,
    value: &OptionValue,
) -> Result<TeamRequest> {
    TeamRequest::options_set(team, id, value).map_err(|reason| Error::OptionValue {
        team: name.to_owned(),
        id: id.clone(),
        value: value.abbreviated(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::netlink::dump::InterruptedDump;
    use crate::netlink::request::DumpPolicy;
    use crate::testing::script::{Script, Step, ack};

    fn resolve_error(errno: i32) -> Error {
        let dumps = DumpPolicy { attempts: NonZeroU32::MIN, interrupted: InterruptedDump::Keep };
        let script = Script::new([Step::answer(&[ack(-errno)])]);
        TeamDriver::resolve(RequestSocket::new(script, Duration::from_millis(5), dumps))
            .unwrap_err()
    }

    #[test]
    fn missing_family_has_its_own_error() {
        let error = resolve_error(2);
        assert!(matches!(error, Error::FamilyNotFound), "found {error:?}, expected FamilyNotFound");
        assert_eq!(
            error.to_string(),
            "looking up generic netlink family team: the team driver is not loaded (ENOENT)"
        );
        assert_eq!(
            resolve_error(12).to_string(),
            "looking up generic netlink family team: out of memory (ENOMEM)"
        );
    }
}
