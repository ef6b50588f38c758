//! The primary of each slot of a Cluster, according to its servers: `CLUSTER NODES`.
//!
//! Servers may disagree for a while after a failover, and a cut-off server may still claim its former slots. For each
//! slot the claim of the highest configuration epoch counts, as among the servers themselves. (Redis Cluster
//! specification: "Hash slots configuration propagation".)

use std::ops::RangeInclusive;

use crate::address::Address;

/// Slots of a Cluster.
pub const SLOT_COUNT: usize = 16_384;

/// How many slots the asked server serves, by its answer to `CLUSTER NODES`.
pub fn own_slots(answer: &str) -> usize {
    let own = answer.lines().find(|line| {
        let flags = line.split_ascii_whitespace().nth(2).unwrap_or_default();
        flags.split(',').any(|flag| flag == "myself") && flags.split(',').any(|flag| flag == "master")
    });
    let slots = own.into_iter().flat_map(|line| line.split_ascii_whitespace().skip(8)).filter_map(range);
    slots.map(|range| range.count()).sum()
}

/// A hash tag of each slot, in the order of the slots: four characters each.
pub fn tags() -> Vec<String> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let tag = |number: usize| [46_656, 1296, 36, 1].map(|unit| char::from(DIGITS[number / unit % 36]));
    let mut tags = vec![String::new(); SLOT_COUNT];
    for tag in (0..36usize.pow(4)).map(|number| String::from_iter(tag(number))) {
        let own = &mut tags[usize::from(slot_of(&tag))];
        if own.is_empty() {
            *own = tag;
        }
    }
    tags
}

/// The addresses of primaries, and for each slot the place of its primary among them.
pub(crate) type SlotOwners = (Vec<Address>, Vec<Option<u16>>);

/// One server's statement about another, or about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub address: Address,
    epoch: u64,
    slots: Vec<RangeInclusive<u16>>,
}

/// The slot of a key: that of its hash tag, where it has one.
pub(crate) fn slot_of(key: impl AsRef<[u8]>) -> u16 {
    let key = key.as_ref();
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|byte| *byte == b'}').map(|close| &rest[..close])
    });
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16::State::<crc16::XMODEM>::calculate(hashed) % SLOT_COUNT as u16
}

/// The primaries in one server's answer; `asked` is where it was asked, `over_tls` prefers host names.
pub(crate) fn claims(answer: &str, asked: &Address, over_tls: bool) -> Vec<Claim> {
    answer.lines().filter_map(|line| claim(line, asked, over_tls)).collect()
}

/// `<id> <ip:port@bus[,hostname]> <flags> <primary> <ping> <pong> <epoch> <link> <slot> …`
fn claim(line: &str, asked: &Address, over_tls: bool) -> Option<Claim> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (endpoint, flags) = (fields.next()?, fields.next()?);
    if !flags.split(',').any(|flag| flag == "master") || flags.contains("noaddr") {
        return None;
    }
    let epoch = fields.nth(3)?.parse().ok()?;
    let slots = fields.skip(1).filter(|slot| !slot.starts_with('[')).map(range).collect::<Option<_>>()?;
    Some(Claim { address: address(endpoint, asked, over_tls)?, epoch, slots })
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (usize::from(last) < SLOT_COUNT).then_some(first..=last)
}

/// A server without knowledge of its own address is at `asked`.
fn address(endpoint: &str, asked: &Address, over_tls: bool) -> Option<Address> {
    let mut parts = endpoint.split(',');
    let (ip, port) = parts.next()?.split('@').next()?.rsplit_once(':')?;
    let name = parts.next().filter(|name| over_tls && !name.is_empty());
    let host = name.unwrap_or(if ip.is_empty() { &asked.host } else { ip });
    Some(Address { host: host.to_owned(), port: port.parse().ok()? })
}

/// The primary of each slot. Among several answers, the claims of the highest epoch count.
pub(crate) fn merge(views: Vec<Vec<Claim>>) -> SlotOwners {
    let mut addresses: Vec<Address> = Vec::new();
    let mut owners: Vec<Option<(u64, u16)>> = vec![None; SLOT_COUNT];
    for claim in views.into_iter().flatten().filter(|claim| !claim.slots.is_empty()) {
        let index = addresses.iter().position(|known| *known == claim.address).unwrap_or(addresses.len());
        if index == addresses.len() {
            addresses.push(claim.address);
        }
        for slot in claim.slots.into_iter().flatten() {
            let owner = &mut owners[usize::from(slot)];
            if owner.is_none_or(|(epoch, _)| claim.epoch > epoch) {
                *owner = Some((claim.epoch, index as u16));
            }
        }
    }
    (addresses, owners.into_iter().map(|owner| owner.map(|(_, index)| index)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "\
07c3 127.0.0.1:30004@31004,host-4 slave e7d1 0 1426238317239 4 connected
67ed 127.0.0.1:30002@31002,host-2 master - 0 1426238316232 2 connected 5461-10922 12000
292f :0@0 master,noaddr - 0 1426238318243 3 disconnected 10923-11999
824f 127.0.0.1:30005@31005 slave 67ed 0 1426238316232 5 connected
e7d1 :30001@31001 myself,master - 0 0 7 connected 0-5460 [93->-292f]
";

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn each_slot_has_a_tag() {
        let tags = tags();
        assert_eq!(tags.len(), SLOT_COUNT);
        for (slot, tag) in tags.iter().enumerate() {
            assert_eq!((tag.len(), usize::from(slot_of(format!("tg:{{{tag}}}:sessions")))), (4, slot));
        }
    }

    #[test]
    fn a_key_lies_where_redis_says() {
        // CLUSTER KEYSLOT of a real server.
        assert_eq!(
            (slot_of("tg:{alice}:sessions"), slot_of("alice"), slot_of("foo{}{bar}")),
            (749, 749, 8363)
        );
    }

    #[test]
    fn primaries_are_read_and_what_is_none_is_not() {
        let claims = claims(ANSWER, &at("10.0.0.1", 7000), false);
        let addresses: Vec<_> = claims.iter().map(|claim| claim.address.clone()).collect();
        assert_eq!(addresses, [at("127.0.0.1", 30002), at("10.0.0.1", 30001)]);
        assert_eq!(claims[0].slots, [5461..=10922, 12000..=12000]);
        assert_eq!((claims[1].epoch, claims[1].slots.clone()), (7, vec![0..=5460]));
    }

    #[test]
    fn over_tls_a_server_is_called_by_its_host_name() {
        let claims = claims(ANSWER, &at("10.0.0.1", 7000), true);
        assert_eq!((&claims[0].address, &claims[1].address), (&at("host-2", 30002), &at("10.0.0.1", 30001)));
    }

    #[test]
    fn the_highest_epoch_owns_a_slot() {
        let claim = |port, epoch, slots| Claim { address: at("h", port), epoch, slots: vec![slots] };
        let deposed = vec![claim(1, 3, 0..=100), claim(2, 2, 101..=200)];
        let newer = vec![claim(9, 4, 0..=100)];
        for views in [vec![deposed.clone(), newer.clone()], vec![newer, deposed]] {
            let (addresses, owners) = merge(views);
            let owner = |slot: usize| owners[slot].map(|index| addresses[usize::from(index)].port);
            assert_eq!((owner(0), owner(100), owner(150), owner(201)), (Some(9), Some(9), Some(2), None));
        }
    }
}
