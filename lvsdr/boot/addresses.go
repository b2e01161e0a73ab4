package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Declaration is an address in the configuration of somebody who brings addresses
// up at boot.
type Declaration struct {
	Owner string     // who reads the file: "ifupdown", "netplan", [Keepalived] and so on
	File  string     // absolute
	line  int        // 0: not told
	Link  string     // the interface, without the ":0" of a label; empty where the file does not say
	Addr  netip.Addr // without its mask
	Fix   string     // the command that takes it out of the file, empty where there is no simple one
}

// Place is the file, with the line where that is known: "/etc/network/interfaces:7".
func (d Declaration) Place() string {
	if d.line == 0 {
		return d.File
	}
	return fmt.Sprintf("%s:%d", d.File, d.line)
}

// Keepalived is the name of keepalived as an owner and as a process.
const Keepalived = "keepalived"

// Addresses reads the configurations of those who bring addresses up at boot: ifupdown,
// network-scripts, netplan, systemd-networkd, NetworkManager, dhcpcd, keepalived. It
// fails when a file may not be read; what it does not understand it passes over.
func Addresses(files host.Files) ([]Declaration, error) {
	var all []Declaration
	for _, source := range []struct {
		owner string
		paths []string
		read  func(Declaration, string) []Declaration
	}{
		{"ifupdown", append([]string{"/etc/network/interfaces"}, listed(files, "/etc/network/interfaces.d")...), readInterfaces},
		{"network-scripts", withoutBackups(starting("ifcfg-", listed(files, "/etc/sysconfig/network-scripts"))), readIfcfg},
		{"netplan", ending(".yaml", listed(files, "/etc/netplan")), readNetplan},
		{"cloud-init", ending(".cfg", listed(files, "/etc/cloud/cloud.cfg.d")), readNetplan},
		{"a command at boot", bootCommands(files), readCommands},
		{"systemd-networkd", ending(".network", listed(files, "/etc/systemd/network")), readNetwork},
		{"NetworkManager", ending(".nmconnection", listed(files, "/etc/NetworkManager/system-connections")), readKeyfile},
		{"dhcpcd", []string{"/etc/dhcpcd.conf"}, readDhcpcd},
	} {
		for _, file := range source.paths {
			text, err := files.ReadFile(file)
			if err != nil {
				if errors.Is(err, fs.ErrPermission) {
					return nil, err
				}
				continue // not there, or a folder
			}
			all = append(all, source.read(Declaration{Owner: source.owner, File: file}, string(text))...)
		}
	}
	lines, err := keepalivedLines(files, keepalivedConf)
	return append(all, readKeepalived(Declaration{Owner: Keepalived, File: keepalivedConf}, lines)...), err
}

func ending(with string, names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, with) })
}

// withoutBackups leaves out what the network scripts leave out
// (__sed_discard_ignored_files in initscripts' network-functions).
func withoutBackups(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool {
		return strings.HasSuffix(n, "~") ||
			slices.Contains([]string{".bak", ".old", ".orig", ".rpmnew", ".rpmorig", ".rpmsave"}, path.Ext(n))
	})
}

func starting(with string, names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(path.Base(n), with) })
}

// at is the declaration of an address, with or without a mask, when it is one.
func (d Declaration) at(line int, link, addr string) []Declaration {
	addr, _, _ = strings.Cut(strings.Trim(addr, `"'`), "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil
	}
	link, _, _ = strings.Cut(link, ":") // lo:0 is lo
	d.line, d.Link, d.Addr = line, link, a
	return []Declaration{d}
}
