package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// parseService are the openings of a service of ours.
func parseService(s settings) []host.Opening {
	if !strings.HasPrefix(s.word("description"), ourService) {
		return nil
	}
	destination, _ := s["destination"].Value().(map[string]string)
	var ports []port
	// firewalld leaves out what there is none of.
	if have := s["ports"].Value(); have != nil && dbus.Store([]any{have}, &ports) != nil {
		ports = nil
	}
	return serviceOpenings(slices.Collect(maps.Values(destination)), ports, s.words("protocols"))
}

// service is the service of one VIP's openings.
func service(openings []host.Opening, notes []string) settings {
	ports, protocols := []port{}, []string{}
	for _, o := range openings {
		if o.Port == 0 {
			protocols = append(protocols, host.ProtocolName(o.Protocol))
		} else {
			ports = append(ports, port{fmt.Sprint(o.Port), o.Protocol.String()})
		}
	}
	vip := openings[0].VIP
	family := map[bool]string{true: "ipv4", false: "ipv6"}[vip.Is4()]
	return settings{
		"short":       dbus.MakeVariant("LVS " + vip.String()),
		"description": dbus.MakeVariant(strings.Join(append([]string{ourService}, notes...), " ")),
		"ports":       dbus.MakeVariant(ports),
		"protocols":   dbus.MakeVariant(protocols),
		"destination": dbus.MakeVariant(map[string]string{family: vip.String()}),
	}
}

// A firewalldDisk is what is on disk of our services.
type firewalldDisk struct {
	taken    []string                  // names that others have
	services map[string][]host.Opening // ours
	notes    []string                  // of the zones that had no file
	zones    map[string][]string       // the zones that have one, with ours
}

// disk reads our services, and where they are used.
func (d *firewalldBus) disk() (*firewalldDisk, error) {
	disk := &firewalldDisk{services: map[string][]host.Opening{}, zones: map[string][]string{}}
	var names []string
	if err := d.call(firewalldConfig, ".config.getServiceNames", &names); err != nil {
		return nil, err
	}
	for _, name := range names {
		if !isOurName(name) {
			continue
		}
		s := settings{}
		if err := d.service(name, ".getSettings2", &s); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(s.word("description"), ourService) {
			disk.taken = append(disk.taken, name)
			continue
		}
		disk.services[name] = parseService(s)
		for _, note := range notes().FindAllString(s.word("description"), -1) {
			if !slices.Contains(disk.notes, note) {
				disk.notes = append(disk.notes, note)
			}
		}
	}
	if len(disk.services) == 0 {
		return disk, nil
	}
	return disk, d.readUsers(disk)
}

// readUsers reads which zones have services of ours.
func (d *firewalldBus) readUsers(disk *firewalldDisk) error {
	var zones []string
	if err := d.call(firewalldConfig, ".config.getZoneNames", &zones); err != nil {
		return err
	}
	for _, zone := range zones {
		s := settings{}
		if err := d.zone(zone, ".getSettings2", &s); err != nil {
			return err
		}
		for _, name := range s.words("services") {
			if _, ours := disk.services[name]; ours {
				disk.zones[zone] = append(disk.zones[zone], name)
			}
		}
	}
	return nil
}

// orphans are the openings of services of ours that no zone has.
func (f *firewalldDisk) orphans() (all []host.Opening) {
	used := map[string]bool{}
	for _, names := range f.zones {
		for _, name := range names {
			used[name] = true
		}
	}
	for name, openings := range f.services {
		if !used[name] {
			all = append(all, openings...)
		}
	}
	return all
}

// service calls a method of a service on disk, zone one of a zone.
func (d *firewalldBus) service(name, method string, result any, args ...any) error {
	return d.onDisk("Service", name, method, result, args...)
}

func (d *firewalldBus) zone(name, method string, result any, args ...any) error {
	return d.onDisk("Zone", name, method, result, args...)
}

func (d *firewalldBus) onDisk(kind, name, method string, result any, args ...any) error {
	var path dbus.ObjectPath
	if err := d.call(firewalldConfig, ".config.get"+kind+"ByName", &path, name); err != nil {
		return err
	}
	return d.call(string(path), ".config."+strings.ToLower(kind)+method, result, args...)
}

// zoneLater is the zone as it is on disk.
func (d *firewalldBus) zoneLater(zone string, disk *firewalldDisk) (host.Gate, error) {
	s := settings{}
	if err := d.zone(zone, ".getSettings2", &s); err != nil {
		return host.Gate{}, err
	}
	g := host.Gate{Name: zone + permanent, Lasts: true, Later: true}
	g.Filters, g.Admits = s.filters()
	for _, name := range disk.zones[zone] {
		g.Openings = append(g.Openings, disk.services[name]...)
	}
	for _, text := range s.words("rules_str") {
		if o, ok := parseRichRule(text); ok {
			g.Openings = append(g.Openings, o)
		}
	}
	g.Openings = host.SortOpenings(g.Openings)
	return g, nil
}

// setLater writes the services, has the zone use exactly these, and removes those
// that no zone uses any more. What goes on disk is not in force before it is whole.
func (d *firewalldBus) setLater(zone string, openings []host.Opening) error {
	disk, err := d.disk()
	if err != nil {
		return err
	}
	if len(openings) > 0 {
		if err := d.noteFile(zone, disk); err != nil {
			return err
		}
	}
	var wanted []string
	for _, of := range byVIP(slices.DeleteFunc(slices.Clone(openings), host.Opening.IsTooBig)) {
		name := disk.nameFor(of[0].VIP, wanted)
		wanted = append(wanted, name)
		if err := d.write(name, service(of, disk.notes), disk); err != nil {
			return err
		}
	}
	if err := d.use(zone, disk.zones[zone], wanted); err != nil {
		return err
	}
	if err := d.richLater(zone, openings); err != nil {
		return err
	}
	return d.clean(zone, wanted, disk)
}

// richLater brings the zone's rich rules of ours to the openings that no service can
// have: those of a type of ICMP.
func (d *firewalldBus) richLater(zone string, openings []host.Opening) error {
	s := settings{}
	if err := d.zone(zone, ".getSettings2", &s); err != nil {
		return err
	}
	has := map[host.Opening]bool{}
	for _, text := range s.words("rules_str") {
		o, ok := parseRichRule(text)
		if !ok {
			continue
		}
		if has[o] = o.IsTooBig() && slices.Contains(openings, o); has[o] {
			continue
		}
		if err := d.zone(zone, ".removeRichRule", nil, text); err != nil {
			return err
		}
	}
	for _, o := range openings {
		if o.IsTooBig() && !has[o] {
			if err := d.zone(zone, ".addRichRule", nil, richRule(o)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameFor is the service that the VIP has, else the first free name.
func (f *firewalldDisk) nameFor(vip netip.Addr, wanted []string) string {
	for _, name := range slices.Sorted(maps.Keys(f.services)) {
		if of := f.services[name]; len(of) > 0 && of[0].VIP == vip {
			return name
		}
	}
	for n := 1; ; n++ {
		name := ourName(n)
		if _, ours := f.services[name]; !ours && !slices.Contains(f.taken, name) && !slices.Contains(wanted, name) {
			return name
		}
	}
}

func (d *firewalldBus) write(name string, s settings, disk *firewalldDisk) error {
	if _, there := disk.services[name]; there {
		return d.service(name, ".update2", nil, s)
	}
	var path dbus.ObjectPath
	return d.call(firewalldConfig, ".config.addService2", &path, name, s)
}

// use has the zone use these services of ours and no others.
func (d *firewalldBus) use(zone string, has, wanted []string) error {
	for _, name := range wanted {
		if !slices.Contains(has, name) {
			if err := d.zone(zone, ".addService", nil, name); err != nil {
				return err
			}
		}
	}
	for _, name := range has {
		if !slices.Contains(wanted, name) {
			if err := d.zone(zone, ".removeService", nil, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// clean removes the services that no zone uses any more, and the copy of firewalld's
// own zone, or its backup, that the last of them has left in /etc.
func (d *firewalldBus) clean(zone string, wanted []string, disk *firewalldDisk) error {
	if len(wanted) == 0 && slices.Contains(disk.notes, hadNoFile(zone)) && len(disk.zones[zone]) > 0 {
		if err := d.giveBack(zone); err != nil {
			return err
		}
	}
	if len(wanted) == 0 && slices.Contains(disk.notes, hadNoBackup(zone)) && len(disk.zones[zone]) > 0 {
		if err := forgetBackup(zone); err != nil {
			return err
		}
	}
	for name := range disk.services {
		used := slices.Contains(wanted, name)
		for other, names := range disk.zones {
			used = used || other != zone && slices.Contains(names, name)
		}
		if used {
			continue
		}
		if err := d.service(name, ".remove", nil); err != nil {
			return err
		}
		if err := removeBackup("services/" + name); err != nil {
			return err
		}
	}
	return nil
}
