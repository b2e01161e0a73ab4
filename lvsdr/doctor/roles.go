package doctor

import (
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// The checks of each role, in the order of the report: what the host itself is
// like first, then what the others do.
var (
	directorChecks = []*Check{
		// The kernel and its table.
		ipvsThere, ipvsScheduler, keepalivedUnit, keepalivedFlaws, keepalivedTable, keepalivedRuns, serviceThere, noDestination, directForwarding, rememberedRoute, portMapping, schedulerFallback,
		quiescentTemplate, orphanConnections, ipvsSysctl, tableOwner, syncDaemons,

		// Addresses, ARP and routes.
		linkUsable,
		ipv6Disabled,
		vrrpRuns,
		vipDAD,
		vipHeld,
		vipMask,
		vipLink,
		vipSource,
		arpAnnounce,
		rpFilter,
		mtu,

		// The packet filter.
		firewallIn, firewallStateful, firewallInvalid, firewallOut, firewallICMP, firewallND, firewallVRRP,
		oneMaster,
		listenerThere, // of a director that is its own real server

		// On the wire.
		vipClaim,
		realServerAnswers,
		drPath,
		largeRequests,
		packetLoop, synReceived, // what the table says of the ways that work from here
		healthy,

		// What was set up.
		modulesBoot,
		sysctlBoot,
		firewallBoot,
		unitKept,
		addressOwner,
		drift,
	}

	realServerChecks = []*Check{
		// Addresses, ARP and routes.
		linkUsable,
		ipv6Disabled,
		vipDAD,
		vipHeld,
		vipMask,
		vipLink,
		vipSource,
		arpIgnore,
		arpNeighbours,
		arpAnnounce,
		rpFilter,
		returnRoute,

		// The packet filter and the listeners.
		firewallIn, firewallOut, firewallICMP, firewallND, secondBalancer, listenerThere,

		// On the wire.
		returnGateway,

		// What was set up.
		sysctlBoot,
		firewallBoot,
		unitKept,
		addressOwner,
		drift,
	}

	clientChecks = []*Check{
		linkUsable,

		// On the wire.
		vipClaim,
		vipNeighbour,
		realServerAnswers,
		drPath,
		replies,
		largeReplies,
	}
)

// Checks returns the checks of a role, in the order of the report; none for a
// role that there is not. The list is the caller's own, to leave checks out or to
// add others; the checks in it are everybody's.
func Checks(role string) []*Check {
	switch role {
	case cluster.DirectorRole:
		return slices.Clone(directorChecks)
	case cluster.RealServerRole:
		return slices.Clone(realServerChecks)
	case cluster.ClientRole:
		return slices.Clone(clientChecks)
	}
	return nil
}
