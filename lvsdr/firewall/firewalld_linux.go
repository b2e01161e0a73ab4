package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/filter"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// firewalld is the manager of that name (firewalld.dbus(5)), never its rules: since
// 2.2 only firewalld itself can change them, and it loads them anew at every reload.
// Its gates are the zones of this host's interfaces, each twice: as it is in force,
// and as it is on disk ("permanent"), which is what counts after a reload or a boot.
//
// On disk an opening is in a service, "lvsdr", whose destination is the VIP. A service
// that is new on disk is not known to the running firewalld before a reload, which
// would take away what others have opened for now; so in force it is a rich rule,
// until then.
type firewalld struct{ files host.Files }

func (firewalld) Name() string { return firewalldName }

const permanent = " (permanent)"

// Gates lists the zones by name. When firewalld does not run here there are none, but for
// what one that is stopped has of ours on disk.
func (f firewalld) Gates(ctx context.Context) ([]host.Gate, error) {
	d, err := dialFirewalld(ctx)
	if errors.Is(err, errStopped) {
		return firewalldFiles{f.files}.gates()
	}
	if d == nil || err != nil {
		return nil, err
	}
	defer d.conn.Close()
	zones, err := d.zones()
	if err != nil {
		return nil, err
	}
	disk, err := d.disk()
	if err != nil {
		return nil, err
	}
	refuses, err := d.refuses(zones[0])
	if err != nil {
		return nil, err
	}
	var gates []host.Gate
	for i, zone := range zones {
		now, err := d.zoneNow(zone)
		if err != nil {
			return nil, err
		}
		later, err := d.zoneLater(zone, disk)
		if err != nil {
			return nil, err
		}
		// A service of ours that no zone has was left by a set-up or teardown that was
		// killed. The first zone shows it, out of its place.
		if orphans := disk.orphans(); i == 0 && len(orphans) > 0 {
			later.Openings, later.Shadowed = host.SortOpenings(append(later.Openings, orphans...)), true
		}
		later.Refuses = refuses
		gates = append(gates, now, later)
	}
	return gates, nil
}

// Set brings the zone to the openings, as it is in force or on disk.
func (f firewalld) Set(ctx context.Context, gate string, openings []host.Opening) error {
	d, err := dialFirewalld(ctx)
	if errors.Is(err, errStopped) && gate == stoppedGate && len(openings) == 0 {
		return firewalldFiles{f.files}.close()
	}
	if d == nil || err != nil {
		return err
	}
	defer d.conn.Close()
	openings = host.SortOpenings(slices.Clone(openings))
	if zone, ok := strings.CutSuffix(gate, permanent); ok {
		return d.setLater(zone, openings)
	}
	return d.setNow(gate, openings)
}

// A firewalldBus is a connection to the running firewalld.
type firewalldBus struct {
	ctx  context.Context
	conn *dbus.Conn
}

// The names on the bus.
const (
	firewalldBusName = "org.fedoraproject.FirewallD1"
	firewalldPath    = "/org/fedoraproject/FirewallD1"
	firewalldConfig  = firewalldPath + "/config"
)

// errStopped: there is no firewalld, or one that does not run.
var errStopped = errors.New("it does not run")

// dialFirewalld connects. It is nil when none of firewalld's rules are in this network
// namespace, and fails with errStopped where there is no bus, or nobody of its name on it.
func dialFirewalld(ctx context.Context) (*firewalldBus, error) {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	d := &firewalldBus{ctx, conn}
	here, err := d.here()
	if err != nil || !here {
		conn.Close()
		return nil, err
	}
	return d, nil
}

// firewalldRuns is there while systemd has the unit running (systemd's
// src/core/unit.c, unit_export_invocation_id).
const firewalldRuns = "/run/systemd/units/invocation:firewalld.service"

// unreachable is what a host has whose bus does not answer: no firewalld, or one that
// cannot be told anything. To pass over that one would open the rules that it has loaded,
// until it loads them anew.
func unreachable(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, err := os.Lstat(firewalldRuns); err != nil {
		return errStopped
	}
	if rules, err := filter.Load(ctx); err != nil || !keeps(rules, firewalldName) {
		return err
	}
	return fmt.Errorf("it runs, and D-Bus, by which it is told what to let in, does not answer (%w): systemctl restart dbus.socket dbus.service firewalld.service", cause)
}

func (d *firewalldBus) here() (bool, error) {
	var owned bool
	err := d.conn.BusObject().CallWithContext(d.ctx, "org.freedesktop.DBus.NameHasOwner", 0, firewalldBusName).Store(&owned)
	if err == nil && !owned {
		err = errStopped
	}
	if err != nil {
		return false, err
	}
	// firewalld has its name, and for systemd has started, before it has loaded its rules,
	// and answers after that (run_server in its server.py). An answer tells nothing else:
	// it may be that of another network namespace's.
	var zone string
	_ = d.call(firewalldPath, ".getDefaultZone", &zone)
	rules, err := filter.Load(d.ctx)
	return err == nil && keeps(rules, firewalldName), err
}

// call calls a method of an object of firewalld's and stores its result.
func (d *firewalldBus) call(path, method string, result any, args ...any) error {
	call := d.conn.Object(firewalldBusName, dbus.ObjectPath(path)).CallWithContext(d.ctx, firewalldBusName+method, 0, args...)
	err := call.Err
	if err == nil && result != nil {
		err = call.Store(result)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.TrimLeft(method[strings.LastIndexByte(method, '.'):], "."), err)
	}
	return nil
}

// zones are those of the interfaces that have an address, and the default one, where
// what is in no zone goes. Zones of sources are left alone: they are for senders that
// somebody has set apart.
func (d *firewalldBus) zones() ([]string, error) {
	var standard string
	if err := d.call(firewalldPath, ".getDefaultZone", &standard); err != nil {
		return nil, err
	}
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var zones []string
	for _, link := range links {
		addrs, err := link.Addrs()
		if err != nil || len(addrs) == 0 || link.Flags&net.FlagLoopback != 0 {
			continue
		}
		var zone string
		if err := d.call(firewalldPath, ".zone.getZoneOfInterface", &zone, link.Name); err != nil {
			return nil, err
		}
		if zone == "" {
			zone = standard
		}
		zones = append(zones, zone)
	}
	if len(zones) == 0 {
		zones = []string{standard}
	}
	slices.Sort(zones)
	return slices.Compact(zones), nil
}

// settings are those of a zone or service, as firewalld has them on the bus.
type settings map[string]dbus.Variant

// words is a setting that is a list of words; none when it is not there.
func (s settings) words(name string) []string {
	words, _ := s[name].Value().([]string)
	return words
}

func (s settings) word(name string) string {
	word, _ := s[name].Value().(string)
	return word
}

// filters tells whether the zone drops or rejects what it is not told of, and what it
// lets in all the same: with the target "default" that is ICMP (firewalld.zone(5)).
func (s settings) filters() (filters bool, admits []cluster.Protocol) {
	if s.word("target") == "default" {
		admits = []cluster.Protocol{host.ICMP, host.ICMPv6}
	}
	return s.word("target") != "ACCEPT", admits
}

// zoneNow is the zone as it is in force.
func (d *firewalldBus) zoneNow(zone string) (host.Gate, error) {
	s := settings{}
	if err := d.call(firewalldPath, ".zone.getZoneSettings2", &s, zone); err != nil {
		return host.Gate{}, err
	}
	g := host.Gate{Name: zone}
	g.Filters, g.Admits = s.filters()
	for _, text := range s.words("rules_str") {
		if o, ok := parseRichRule(text); ok {
			g.Openings = append(g.Openings, o)
		}
	}
	for _, name := range s.words("services") {
		service, err := d.serviceNow(name)
		if err != nil {
			return host.Gate{}, err
		}
		g.Openings = append(g.Openings, service...)
	}
	g.Openings = host.SortOpenings(g.Openings)
	return g, nil
}

// serviceNow are the openings of a service as it is in force, none when it is not
// ours.
func (d *firewalldBus) serviceNow(name string) ([]host.Opening, error) {
	if !isOurName(name) {
		return nil, nil
	}
	s := settings{}
	if err := d.call(firewalldPath, ".getServiceSettings2", &s, name); err != nil {
		return nil, err
	}
	return parseService(s), nil
}

// setNow adds before it takes away.
func (d *firewalldBus) setNow(zone string, openings []host.Opening) error {
	s := settings{}
	if err := d.call(firewalldPath, ".zone.getZoneSettings2", &s, zone); err != nil {
		return err
	}
	there := map[host.Opening]bool{} // by what stays
	var services, rules []string     // what goes
	for _, name := range s.words("services") {
		has, err := d.serviceNow(name)
		if err != nil {
			return err
		}
		stays := len(has) > 0
		for _, o := range has {
			stays = stays && slices.Contains(openings, o)
		}
		for _, o := range has {
			there[o] = there[o] || stays
		}
		if len(has) > 0 && !stays {
			services = append(services, name)
		}
	}
	for _, text := range s.words("rules_str") {
		o, ok := parseRichRule(text)
		switch {
		case ok && slices.Contains(openings, o) && !there[o]:
			there[o] = true
		case ok:
			rules = append(rules, text)
		}
	}
	var names string
	for _, o := range openings {
		if there[o] {
			continue
		}
		if err := d.call(firewalldPath, ".zone.addRichRule", &names, zone, richRule(o), int32(0)); err != nil {
			return err
		}
	}
	for _, text := range rules {
		if err := d.call(firewalldPath, ".zone.removeRichRule", &names, zone, text); err != nil {
			return err
		}
	}
	for _, name := range services {
		if err := d.call(firewalldPath, ".zone.removeService", &names, zone, name); err != nil {
			return err
		}
	}
	return nil
}
