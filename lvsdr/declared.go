package lvsdr

import (
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
)

const keepalivedName = "keepalived"

// declaredAddresses reads the configurations of those who bring addresses up at
// boot. What it does not understand it passes over.
func declaredAddresses(files Files) ([]declaration, error) {
	var all []declaration
	for _, source := range []struct {
		owner string
		paths []string
		read  func(declaration, string) []declaration
	}{
		{"ifupdown", append([]string{"/etc/network/interfaces"}, listed(files, "/etc/network/interfaces.d")...), readInterfaces},
		{"network-scripts", starting("ifcfg-", listed(files, "/etc/sysconfig/network-scripts")), readIfcfg},
		{"netplan", ending(".yaml", listed(files, "/etc/netplan")), readNetplan},
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
			all = append(all, source.read(declaration{owner: source.owner, file: file}, string(text))...)
		}
	}
	lines, err := keepalivedLines(files, keepalivedConf)
	return append(all, readKeepalived(declaration{owner: keepalivedName, file: keepalivedConf}, lines)...), err
}

func ending(with string, names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, with) })
}

func starting(with string, names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(path.Base(n), with) })
}

// at is the declaration of an address, with or without a mask, when it is one.
func (d declaration) at(line int, link, addr string) []declaration {
	addr, _, _ = strings.Cut(strings.Trim(addr, `"'`), "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil
	}
	link, _, _ = strings.Cut(link, ":") // lo:0 is lo
	d.line, d.link, d.addr = line, link, a
	return []declaration{d}
}
