//! Routing rules.

use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::RtnlSocket;
use super::dump::DumpRequest;
use crate::error::Result;
use crate::netlink::codec::packet::RTM_NEWRULE;
use crate::netlink::dump::Dump;
use crate::netlink::error::ErrorContext;

/// A filter for the routing rules that [`RtnlSocket::rules`] lists; by default, all of them.
///
/// # Examples
///
/// See [`RtnlSocket::rules`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RuleFilter {
    family: Option<AddressFamily>,
    table: Option<u32>,
}

impl RuleFilter {
    /// Selects all rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the rules of this family: [`AddressFamily::Inet`] or [`AddressFamily::Inet6`].
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.family = Some(family);
        self
    }

    /// Selects the rules that look up this table: 254 is `main`, 255 is `local`.
    pub fn table(mut self, table: u32) -> Self {
        self.table = Some(table);
        self
    }

    fn request(&self) -> RouteNetlinkMessage {
        let mut message = RuleMessage::default();
        message.header.family = self.family.unwrap_or_default();
        RouteNetlinkMessage::GetRule(message)
    }

    fn matches(&self, rule: &RuleMessage) -> bool {
        self.family.is_none_or(|family| rule.header.family == family)
            && self.table.is_none_or(|table| table_of(rule) == table)
    }
}

/// Returns the table of a rule; the header holds only numbers up to 255.
fn table_of(rule: &RuleMessage) -> u32 {
    let attribute = rule.attributes.iter().find_map(|attribute| match attribute {
        RuleAttribute::Table(table) => Some(*table),
        _ => None,
    });
    attribute.unwrap_or(rule.header.table.into())
}

impl RtnlSocket {
    /// Lists the rules by which the kernel selects a routing table.
    ///
    /// The rules are sorted by family, then in the order of evaluation. Sends one dump request.
    ///
    /// # Errors
    ///
    /// - [`Error::Kernel`](crate::Error::Kernel): `EAFNOSUPPORT` for a family without routing
    ///   rules.
    /// - [`Error::Interrupted`](crate::Error::Interrupted) and the other errors of
    ///   [`NetlinkConnection::dump`](crate::netlink::NetlinkConnection::dump).
    ///
    /// # Examples
    ///
    /// ```
    /// use libteam::rtnl::netlink_packet_route::AddressFamily;
    /// use libteam::rtnl::{RtnlSocket, RuleFilter};
    ///
    /// # test_netns::enter();
    /// let mut rtnl = RtnlSocket::new()?;
    /// let rules = rtnl.rules(&RuleFilter::new().family(AddressFamily::Inet))?;
    /// let tables: Vec<u8> = rules.items().iter().map(|rule| rule.header.table).collect();
    /// assert_eq!(tables, [255, 254, 253], "the tables local, main and default");
    ///
    /// let main = rtnl.rules(&RuleFilter::new().family(AddressFamily::Inet).table(254))?;
    /// assert_eq!(main.items().len(), 1);
    /// # Ok::<(), libteam::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `RTM_GETRULE`, rtnetlink(7).
    #[doc(alias = "RTM_GETRULE")]
    pub fn rules(&mut self, filter: &RuleFilter) -> Result<Dump<RuleMessage>> {
        let op = "listing the routing rules";
        let request = DumpRequest { op, message: filter.request(), reply_type: RTM_NEWRULE };
        self.list(request, |rule, _| filter.matches(rule)).with_context(|| op.to_owned())
    }
}
