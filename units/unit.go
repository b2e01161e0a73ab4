package units

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// A Unit is what brings a host back to its role at boot.
type Unit struct {
	Role   string // [lvsdr.DirectorRole] or [lvsdr.RealServerRole]
	Binary string // the absolute path of the lvsdr command
	// Args are the flags that describe the cluster: "--config" and an absolute
	// path, or those of the service. "--verify" says how often the host is brought back
	// to its role.
	Args []string
}

// Render returns the unit file. It fails when the role is unknown, the binary's path is
// not absolute, or --verify is no duration.
func Render(u Unit) ([]byte, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	wanted, err := u.wanted()
	if err != nil {
		return nil, err
	}
	order := u.order()
	if len(wanted) > 0 {
		order = append(order, options("Unit", "Wants", strings.Join(wanted, " "))...)
	}
	body, err := io.ReadAll(unit.Serialize(slices.Concat(order, u.commands(), u.sandbox(), []*unit.UnitOption{
		{Section: "Install", Name: "WantedBy", Value: wantedBy},
	})))
	return append([]byte(header), body...), err
}

// check tells what no unit can be made of.
func (u Unit) check() error {
	if u.Role != cluster.DirectorRole && u.Role != cluster.RealServerRole {
		return fmt.Errorf("units: there is no role %q: %s or %s", u.Role, cluster.DirectorRole, cluster.RealServerRole)
	}
	if !path.IsAbs(u.Binary) || strings.ContainsRune(u.Binary, 0) {
		return fmt.Errorf("units: %q: systemd needs the absolute path of the lvsdr command", u.Binary)
	}
	for _, arg := range u.Args {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("units: %q: an argument cannot hold a NUL character", arg)
		}
	}
	return nil
}

const header = `# Written by lvsdr, which removes it with "lvsdr teardown". It is written anew by
# every set-up: change it with "systemctl edit" or with lvsdr's flags.
`

const wantedBy = "multi-user.target"

func options(section string, pairs ...string) []*unit.UnitOption {
	var all []*unit.UnitOption
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, &unit.UnitOption{Section: section, Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// before is what comes first for both roles: the modules and sysctls of the boot,
// and everything that loads a firewall, which would flush lvsdr's openings.
const before = "systemd-modules-load.service systemd-sysctl.service " + firewalls

// firewalls load a packet filter's rules, without lvsdr's openings: when one of them
// is reloaded, so is the unit, after it.
const firewalls = "nftables.service iptables.service ip6tables.service netfilter-persistent.service firewalld.service ufw.service"

// networks are those that set addresses up. They come before network.target.
const networks = "networking.service systemd-networkd.service NetworkManager.service wicked.service"

// order is when the unit starts. A director finds its LAN interface by the route
// to the real servers, so it waits for the network to be up. A real server needs
// the loopback interface only, and has the VIP there before network.target is
// reached: a server that binds to the VIP comes after that. One that is to find
// itself in a file by its addresses waits for them.
func (u Unit) order() []*unit.UnitOption {
	all := options("Unit",
		"Description", "LVS "+spoken(u.Role),
		"Documentation", "https://github.com/lvsdr/toolkit man:ipvsadm(8)",
		"After", before,
		"ReloadPropagatedFrom", firewalls,
	)
	if u.Role == cluster.DirectorRole || !u.knowsItself() {
		return append(all, options("Unit",
			"After", "network.target network-online.target",
			"Wants", "network-online.target",
		)...)
	}
	return append(all, options("Unit",
		"After", "network-pre.target "+networks,
		"Before", "network.target",
	)...)
}

// knowsItself tells whether the flags say what this real server serves: a service, or
// its address in the file.
func (u Unit) knowsItself() bool {
	return slices.ContainsFunc(u.Args, func(arg string) bool {
		name, _, _ := strings.Cut(arg, "=")
		return name == "--vip" || name == "--address"
	})
}

func (u Unit) commands() []*unit.UnitOption {
	setup := commandLine(u.Binary, append([]string{"setup", u.Role, "--runtime"}, u.Args...))
	return options("Service",
		"Type", "oneshot",
		"RemainAfterExit", "yes",
		"ExecStart", setup,
		"ExecReload", setup,
		"ExecStop", commandLine(u.Binary, []string{"teardown", u.Role, "--runtime"}),
		"TimeoutStartSec", "3min",
		"TimeoutStopSec", "3min",
	)
}

// sandbox takes from the process whatever a set-up does not need. /proc/sys must
// stay writable, hence no ProtectKernelTunables.
func (u Unit) sandbox() []*unit.UnitOption {
	all := options("Service",
		"CapabilityBoundingSet", strings.Join(u.capabilities(), " "),
		"NoNewPrivileges", "yes",
		"ProtectSystem", "strict",
		"ReadWritePaths", "/run", // the lock and the ledger, and iptables' lock
		"PrivateTmp", "yes",
		"PrivateDevices", "yes",
		"ProtectControlGroups", "yes",
		"ProtectClock", "yes",
		"ProtectHostname", "yes",
		"ProtectKernelLogs", "yes",
		"ProtectProc", "invisible",
		"PrivateMounts", "yes",
		"UMask", "0077",
		"RemoveIPC", "yes",
		"LockPersonality", "yes",
		"MemoryDenyWriteExecute", "yes",
		"RestrictAddressFamilies", u.sockets(),
		"RestrictNamespaces", "yes",
		"RestrictRealtime", "yes",
		"RestrictSUIDSGID", "yes",
		"IPAddressDeny", "any", // what goes on the wire are frames of its own
		"SystemCallArchitectures", "native",
		"SystemCallFilter", u.systemCalls(),
		"SystemCallErrorNumber", "EPERM",
		"ProtectHome", u.home(),
	)
	if u.uses("/tmp", "/var/tmp") {
		all = slices.DeleteFunc(all, func(o *unit.UnitOption) bool { return o.Name == "PrivateTmp" })
	}
	if u.Role == cluster.RealServerRole {
		all = append(all, options("Service", "ProtectKernelModules", "yes")...)
	}
	return all
}

// sockets are the families of those that are opened: netlink, the bus, iptables' raw
// ones, and a director's announcements.
func (u Unit) sockets() string {
	all := "AF_NETLINK AF_INET AF_INET6 AF_UNIX"
	if u.Role == cluster.DirectorRole {
		all += " AF_PACKET"
	}
	return all
}

// systemCalls are those that the role's set-up and teardown use, and the commands that
// they run: iptables, ufw, modprobe.
func (u Unit) systemCalls() string {
	if u.Role == cluster.DirectorRole {
		return "@system-service @module"
	}
	return "@system-service"
}

// home is what the process sees of people's files.
func (u Unit) home() string {
	if u.uses("/home", "/root", "/run/user") {
		return "read-only"
	}
	return "yes"
}

// capabilities are those the role's set-up and teardown use.
func (u Unit) capabilities() []string {
	// Addresses, routes, sysctls of the network, nftables, IPVS; and the raw
	// sockets of gratuitous ARP, neighbour advertisements and iptables.
	all := []string{"CAP_NET_ADMIN", "CAP_NET_RAW"}
	if u.Role == cluster.DirectorRole {
		all = append(all, "CAP_SYS_MODULE") // modprobe ip_vs
	}
	if u.uses("/home", "/tmp", "/var/tmp") {
		// root without it reads no file that only its owner may.
		all = append(all, "CAP_DAC_READ_SEARCH")
	}
	return all
}

// uses tells whether the binary or a file among the arguments is under one of the
// directories.
func (u Unit) uses(dirs ...string) bool {
	for _, word := range append([]string{u.Binary}, u.Args...) {
		word = path.Clean(word[strings.Index(word, "=")+1:])
		for _, dir := range dirs {
			if strings.HasPrefix(word, dir+"/") {
				return true
			}
		}
	}
	return false
}
