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

/// The handle's connection for commands to the driver.
#[derive(Debug)]
pub(crate) struct TeamDriver {
    socket: RequestSocket,
    family: Family,
}

impl TeamDriver {
    /// Asks the kernel for the driver's numbers, which last until the module is loaded again.
    pub(crate) fn resolve(mut socket: RequestSocket) -> Result<Self> {
        let mut family = None;
        let answer = socket.send(Request::command(ctrl::family_request(FAMILY), 0), |part| {
            if let Part::Message(frame) = part {
                family = Some(ctrl::decode_family(frame.payload, EVENT_GROUP)?);
            }
            Ok(())
        });
        if let Err(failure) = &answer {
            if failure.is(Errno::ENOENT) {
                return Err(Error::FamilyNotFound);
            }
        }
        answer.with_context(|| "looking up generic netlink family team".to_owned())?;
        let family = family.ok_or(Error::FamilyNotFound)?;
        Ok(Self { socket, family })
    }

    /// The number of the multicast group of change events.
    pub(crate) fn event_group(&self) -> u32 {
        self.family.group
    }

    /// See [`RequestSocket::interrupted_dumps`].
    pub(crate) fn interrupted_dumps(&self) -> u64 {
        self.socket.interrupted_dumps()
    }

    /// The message type of the driver's events.
    pub(crate) fn family_id(&self) -> u16 {
        self.family.id
    }

    /// Asks for all ports of a team.
    pub(crate) fn ports(&mut self, team: IfIndex) -> Result<TeamMessage, RequestError> {
        let mut whole = TeamMessage::Ports(Vec::new());
        self.list_into(&mut whole, TeamRequest::port_list_get(team), team)?;
        Ok(whole)
    }

    /// Which ports a team has; none if the driver does not tell.
    pub(crate) fn port_indices(&mut self, team: IfIndex) -> impl Iterator<Item = IfIndex> {
        let ports = match self.ports(team) {
            Ok(TeamMessage::Ports(ports)) => ports,
            _ => Vec::new(),
        };
        ports.into_iter().map(|report| report.port.ifindex())
    }

    /// Asks for all options of a team. Where there is one that the driver cannot tell, it tells
    /// those before it.
    pub(crate) fn options(&mut self, team: IfIndex) -> Result<TeamMessage, RequestError> {
        let mut whole = TeamMessage::Options(Vec::new());
        match (self.list_into(&mut whole, TeamRequest::options_get(team), team), whole) {
            (Err(failure), TeamMessage::Options(first)) if failure.is(Errno::EMSGSIZE) => {
                Ok(TeamMessage::TruncatedOptions(first))
            }
            (result, whole) => result.map(|()| whole),
        }
    }

    /// Sets many options, one by one in order; `answer` gets the position of each and what the
    /// driver answered.
    pub(crate) fn set_options(
        &mut self,
        requests: Vec<TeamRequest>,
        answer: impl FnMut(usize, Result<(), KernelError>),
    ) -> Result<(), RequestError> {
        let family = self.family.id;
        self.socket
            .send_batch(requests.into_iter().map(|request| request.for_family(family)), answer)
    }

    fn list_into(
        &mut self,
        whole: &mut TeamMessage,
        request: TeamRequest,
        team: IfIndex,
    ) -> Result<(), RequestError> {
        let request = Request::list(request.for_family(self.family.id));
        self.socket.send(request, |part| {
            match part {
                Part::Start { .. } => whole.clear(),
                Part::Message(frame) => {
                    if let Some(report) = team::decode(frame.payload, team)? {
                        whole.extend(report);
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

    fn refused(errno: i32) -> Error {
        let dumps = DumpPolicy { attempts: NonZeroU32::MIN, interrupted: InterruptedDump::Keep };
        let script = Script::new([Step::answer(&[ack(-errno)])]);
        TeamDriver::resolve(RequestSocket::new(script, Duration::from_millis(5), dumps))
            .unwrap_err()
    }

    #[test]
    fn a_kernel_without_the_driver_is_told_from_one_that_cannot_answer() {
        let error = refused(2);
        assert!(matches!(error, Error::FamilyNotFound), "{error:?}");
        assert_eq!(
            error.to_string(),
            "looking up generic netlink family team: the team driver is not loaded (ENOENT)"
        );
        assert_eq!(
            refused(12).to_string(),
            "looking up generic netlink family team: out of memory (ENOMEM)"
        );
    }
}
