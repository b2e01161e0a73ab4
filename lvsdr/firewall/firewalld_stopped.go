package firewall

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A firewalld that does not run cannot be told anything, and what it has of ours on disk is
// let in again when it is started. So teardown takes it out of the files (firewalld.zone(5),
// firewalld.service(5)). firewall-offline-cmd(1) is no help: of firewalld 1.3, where it
// deletes a service, it writes the file of a zone that has nothing to do with it.

// stoppedGate is what is on disk, in all zones together.
const stoppedGate = "on disk"

// A firewalldFiles is the folder of a firewalld that does not run.
type firewalldFiles struct{ host.Files }

const (
	firewalldFolder   = "/etc/firewalld/"
	firewalldPackaged = "/usr/lib/firewalld/"
)

// gates is the one gate that it has, none where nothing on disk is ours.
func (f firewalldFiles) gates() ([]host.Gate, error) {
	services, zones, err := f.ours()
	if err != nil || len(services)+len(zones) == 0 {
		return nil, err
	}
	g := host.Gate{Name: stoppedGate, Lasts: true, Later: true, Stopped: true}
	for _, s := range services {
		g.Openings = append(g.Openings, s.openings()...)
	}
	for _, z := range zones {
		g.Openings = append(g.Openings, z.openings...)
	}
	g.Openings = slices.Compact(host.SortOpenings(g.Openings))
	return []host.Gate{g}, nil
}

// close takes away what is ours: from the zones first, because the services tell what there
// was of a zone before.
func (f firewalldFiles) close() error {
	services, zones, err := f.ours()
	if err != nil {
		return err
	}
	var before []string
	for _, s := range services {
		before = append(before, notes().FindAllString(s.Description, -1)...)
	}
	for _, z := range zones {
		if err := f.closeZone(z, before); err != nil {
			return err
		}
	}
	for _, s := range services {
		for _, end := range []string{".xml", ".xml.old"} {
			if err := f.Remove(firewalldFolder + "services/" + s.name + end); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeZone writes a zone without what is ours. Where it had no file before, and has nothing
// else than the zone of the package now, the file goes.
func (f firewalldFiles) closeZone(z zoneFile, before []string) error {
	file := firewalldFolder + "zones/" + z.name + ".xml"
	if slices.Contains(before, hadNoBackup(z.name)) {
		if err := f.Remove(file + ".old"); err != nil {
			return err
		}
	}
	if !slices.Contains(before, hadNoFile(z.name)) {
		return f.WriteFile(file, z.rest, 0o644)
	}
	packaged, err := f.ReadFile(firewalldPackaged + "zones/" + z.name + ".xml")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !sameElements(z.rest, packaged) {
		return f.WriteFile(file, z.rest, 0o644)
	}
	if err := f.Remove(file + ".old"); err != nil {
		return err
	}
	return f.Remove(file)
}

// ours are the services that lvsdr has written, and the zones that use one or have a rich
// rule of lvsdr's.
func (f firewalldFiles) ours() (services []serviceFile, zones []zoneFile, err error) {
	err = f.each("services", func(name string, text []byte) {
		s := serviceFile{name: name}
		if isOurName(name) && xml.Unmarshal(text, &s) == nil && strings.HasPrefix(s.Description, ourService) {
			services = append(services, s)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	err = f.each("zones", func(name string, text []byte) {
		z := zoneFile{name: name}
		if z.read(text, services) == nil && len(z.rest) < len(text) {
			zones = append(zones, z)
		}
	})
	return services, zones, err
}

// each reads the files of a kind, none where the folder is not there.
func (f firewalldFiles) each(kind string, see func(name string, text []byte)) error {
	names, err := f.ReadDir(firewalldFolder + kind)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, file := range names {
		name, ok := strings.CutSuffix(file, ".xml")
		if !ok {
			continue
		}
		text, err := f.ReadFile(firewalldFolder + kind + "/" + file)
		if err != nil {
			return err
		}
		see(name, text)
	}
	return err
}

// A serviceFile is a service of ours.
type serviceFile struct {
	name        string
	Description string `xml:"description"`
	Ports       []struct {
		Port     string `xml:"port,attr"`
		Protocol string `xml:"protocol,attr"`
	} `xml:"port"`
	Protocols []struct {
		Value string `xml:"value,attr"`
	} `xml:"protocol"`
	Destination struct {
		V4 string `xml:"ipv4,attr"`
		V6 string `xml:"ipv6,attr"`
	} `xml:"destination"`
}

func (s serviceFile) openings() []host.Opening {
	var ports []port
	for _, p := range s.Ports {
		ports = append(ports, port{p.Port, p.Protocol})
	}
	var protocols []string
	for _, p := range s.Protocols {
		protocols = append(protocols, p.Value)
	}
	return serviceOpenings([]string{s.Destination.V4, s.Destination.V6}, ports, protocols)
}

// A zoneFile is a zone without what is ours.
type zoneFile struct {
	name     string
	openings []host.Opening // those of our rich rules
	rest     []byte
}

// A richRuleFile is a rich rule, with all that one of ours has.
type richRuleFile struct {
	Priority    string `xml:"priority,attr"`
	Family      string `xml:"family,attr"`
	Destination struct {
		Address string `xml:"address,attr"`
	} `xml:"destination"`
	ICMP struct {
		Name string `xml:"name,attr"`
	} `xml:"icmp-type"`
	Accept *struct{}  `xml:"accept"`
	Other  []struct{} `xml:",any"`
}

// opening is that of a rule of ours.
func (r richRuleFile) opening() (o host.Opening, ok bool) {
	o, ok = parseRichRule(fmt.Sprintf(`rule priority="%s" family="%s" destination address="%s" icmp-type name="%s" accept`,
		r.Priority, r.Family, r.Destination.Address, r.ICMP.Name))
	return o, ok && r.Accept != nil && len(r.Other) == 0
}

// read cuts what is ours out of the file, with the space before it.
func (z *zoneFile) read(text []byte, services []serviceFile) error {
	decoder, from := xml.NewDecoder(bytes.NewReader(text)), int64(0)
	for inside := false; ; {
		at := decoder.InputOffset()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			z.rest = append(z.rest, text[from:]...)
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok || !inside {
			inside = inside || ok // in the zone
			continue
		}
		ours := false
		if start.Name.Local == "rule" {
			var rule richRuleFile
			err = decoder.DecodeElement(&rule, &start)
			var o host.Opening
			if o, ours = rule.opening(); ours {
				z.openings = append(z.openings, o)
			}
		} else {
			err = decoder.Skip()
			ours = start.Name.Local == "service" && slices.ContainsFunc(services, func(s serviceFile) bool { return s.name == attribute(start, "name") })
		}
		if err != nil {
			return err
		}
		if ours {
			z.rest = append(z.rest, bytes.TrimRight(text[from:at], " \t\n")...)
			from = decoder.InputOffset()
		}
	}
}

func attribute(element xml.StartElement, name string) string {
	for _, a := range element.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// sameElements tells whether two files have the same elements, in whatever order.
func sameElements(a, b []byte) bool {
	first, err := elements(a)
	second, err2 := elements(b)
	return err == nil && err2 == nil && slices.Equal(first, second)
}

// elements are the parts of a file, each with all that is in it.
func elements(text []byte) (all []string, err error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	depth := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			slices.Sort(all)
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		word := ""
		switch t := token.(type) {
		case xml.StartElement:
			var attributes []string
			for _, a := range t.Attr {
				attributes = append(attributes, a.Name.Local+"="+a.Value)
			}
			slices.Sort(attributes)
			word = fmt.Sprintf("<%s %q>", t.Name.Local, attributes)
			if depth++; depth <= 2 {
				all = append(all, "")
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			word = strings.Join(strings.Fields(string(t)), " ")
		}
		if len(all) > 0 {
			all[len(all)-1] += word
		}
	}
}
