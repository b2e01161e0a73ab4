package boot

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A firewalldZone is a zone or a service on disk (firewalld.zone(5), firewalld.service(5)).
type firewalldZone struct {
	Target     string `xml:"target,attr"`
	Interfaces []struct {
		Name string `xml:"name,attr"`
	} `xml:"interface"`
	Services []struct {
		Name string `xml:"name,attr"`
	} `xml:"service"`
	Includes []struct {
		Service string `xml:"service,attr"`
	} `xml:"include"`
	Ports []struct {
		Port     string `xml:"port,attr"`
		Protocol string `xml:"protocol,attr"`
	} `xml:"port"`
	Protocols []struct {
		Value string `xml:"value,attr"`
	} `xml:"protocol"`
	Destination *struct {
		V4 string `xml:"ipv4,attr"`
		V6 string `xml:"ipv6,attr"`
	} `xml:"destination"`
	// What is not read here.
	Rules       []struct{} `xml:"rule"`
	SourcePorts []struct{} `xml:"source-port"`
	Forwards    []struct{} `xml:"forward-port"`
}

// readFirewalld reads the zone that the interface will be in. Zones that senders are put
// into are left out.
func readFirewalld(files host.Files, link string) (f Firewall, used bool, err error) {
	f = Firewall{Name: "firewalld"}
	name, known, err := firewalldZoneOf(files, link)
	if err != nil {
		return f, false, err
	}
	file := "/etc/firewalld/zones/" + name + ".xml"
	f.Files = map[bool]string{false: file, true: file}
	zone, err := readFirewalldFile(files, "zones", name)
	if errors.Is(err, fs.ErrNotExist) {
		known, err = false, nil
	}
	if err != nil {
		return f, false, err
	}
	direct, err := host.Exists(files, "/etc/firewalld/direct.xml")
	if err != nil {
		return f, false, err
	}
	known = known && !direct && len(listed(files, "/etc/firewalld/policies")) == 0
	f.Lets = func(o host.Opening) (Answer, string) {
		lets := zone.lets(files, o)
		if !known && lets == No {
			lets = Unknown
		}
		return lets, name
	}
	return f, true, nil
}

// firewalldZoneOf is the zone of an interface; it is not known for certain where
// NetworkManager may put it into another.
func firewalldZoneOf(files host.Files, link string) (zone string, known bool, err error) {
	names, err := files.ReadDir("/etc/firewalld/zones")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	for _, name := range names {
		name, ok := strings.CutSuffix(name, ".xml")
		if !ok {
			continue
		}
		z, err := readFirewalldFile(files, "zones", name)
		if err != nil {
			return "", false, err
		}
		for _, i := range z.Interfaces {
			if i.Name == link {
				return name, true, nil
			}
		}
	}
	standard, err := setting(files, "/etc/firewalld/firewalld.conf", "DefaultZone")
	if err != nil {
		return "", false, err
	}
	placed, err := zoneIsNamed(files)
	return cmp.Or(standard, "public"), !placed, err
}

// zoneIsNamed tells whether a connection of NetworkManager's, or an ifcfg file, names a
// zone.
func zoneIsNamed(files host.Files) (bool, error) {
	for _, folder := range []string{"/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections", "/etc/sysconfig/network-scripts"} {
		for _, name := range listed(files, folder) {
			lines, err := readLines(files, name)
			if err != nil {
				return false, err
			}
			if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(strings.ToLower(l), "zone=") && len(l) > len("zone=") }) {
				return true, nil
			}
		}
	}
	return false, nil
}

// readFirewalldFile reads what somebody has made of a zone or service, else what
// firewalld brings.
func readFirewalldFile(files host.Files, kind, name string) (z firewalldZone, err error) {
	for _, folder := range []string{"/etc/firewalld/", "/usr/lib/firewalld/"} {
		file := folder + kind + "/" + name + ".xml"
		text, err := files.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = xml.Unmarshal(text, &z)
		}
		if err != nil {
			return z, fmt.Errorf("%s: %w", file, err)
		}
		return z, nil
	}
	return z, fmt.Errorf("%s %s: %w", kind, name, fs.ErrNotExist)
}

// lets tells whether the zone, or service, lets the opening in.
func (z firewalldZone) lets(files host.Files, o host.Opening) Answer {
	if z.Target == "ACCEPT" || z.names(o) {
		return Yes
	}
	answer := No
	if len(z.Rules)+len(z.SourcePorts)+len(z.Forwards) > 0 {
		answer = Unknown
	}
	names := []string{}
	for _, s := range z.Services {
		names = append(names, s.Name)
	}
	for _, s := range z.Includes {
		names = append(names, s.Service)
	}
	for _, name := range names {
		s, err := readFirewalldFile(files, "services", name)
		switch {
		case err != nil:
			answer = Unknown
		case !s.isFor(o.VIP):
		default:
			if more := s.lets(files, o); more == Yes {
				return Yes
			} else if more == Unknown {
				answer = Unknown
			}
		}
	}
	return answer
}

// names tells whether the opening's port or protocol is among those listed.
func (z firewalldZone) names(o host.Opening) bool {
	for _, p := range z.Protocols {
		if p.Value == o.Protocol.String() {
			return true
		}
	}
	for _, p := range z.Ports {
		low, high, ranged := strings.Cut(p.Port, "-")
		from, err := strconv.ParseUint(low, 10, 16)
		to := from
		if ranged && err == nil {
			to, err = strconv.ParseUint(high, 10, 16)
		}
		if err == nil && p.Protocol == o.Protocol.String() && uint64(o.Port) <= to && (uint64(o.Port) >= from || o.Port == 0) {
			return true
		}
	}
	return false
}

// isFor tells whether a service may be for the address: it has a destination or not.
func (z firewalldZone) isFor(vip netip.Addr) bool {
	if z.Destination == nil {
		return true
	}
	text := z.Destination.V4
	if vip.Is6() {
		text = z.Destination.V6
	}
	if net, err := netip.ParsePrefix(text); err == nil {
		return net.Contains(vip)
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr == vip
}
