package keepalived

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// daemonWords are what stands behind the interface of lvs_sync_daemon.
var daemonWords = []string{"id", "maxlen", "port", "ttl", "group"}

// sync takes lvs_sync_daemon, and what an instance had instead in keepalived 1.
func (im *importer) sync() {
	if im.daemon == nil {
		for _, i := range im.instances {
			d := find(i.Directive, "lvs_sync_daemon_interface")
			if d.Words != nil && d.arg() == "" {
				im.lost(d, "lvs_sync_daemon_interface is left out: the name of an interface is wanted on its line")
			} else if d.Words != nil && im.config.Sync == nil {
				im.config.Sync = &cluster.Sync{Interface: d.arg()}
				im.syncID(d, i.Directive)
			}
		}
		return
	}
	d, args := *im.daemon, im.daemon.Args()
	if len(args) == 0 {
		im.lost(d, "lvs_sync_daemon is left out: the name of an interface is wanted")
		return
	}
	s := &cluster.Sync{Interface: args[0]}
	im.config.Sync, args = s, args[1:]
	if len(args) > 1 && args[0] == "inst" {
		args = args[1:]
	}
	if len(args) > 0 && !slices.Contains(daemonWords, args[0]) {
		im.note(d, "with lvsdr each director has both daemons, whoever is the master: %s decides nothing", shown(args[0]))
		for _, i := range im.instances {
			if i.arg() == args[0] {
				im.syncID(d, i.Directive)
			}
		}
		args = args[1:]
	}
	if len(args) > 0 && !slices.Contains(daemonWords, args[0]) { // as keepalived 1 had it
		args = slices.Insert(slices.Clone(args), 0, "id")
	}
	im.daemonArgs(d, args)
}

// syncID is the instance's virtual_router_id, unless another one is said.
func (im *importer) syncID(d, instance Directive) {
	n, ok := im.number(d, routerID(instance), 255)
	if ok && n > 0 && n != cluster.DefaultSyncID {
		im.config.Sync.ID = &n
	}
}

func (im *importer) daemonArgs(d Directive, args []string) {
	s, odd := im.config.Sync, len(args)%2 == 1
	for ; len(args) > 1; args = args[2:] {
		value := args[1]
		switch args[0] {
		case "id":
			n, ok := im.number(d, value, 255)
			if s.ID = nil; ok && n == 0 {
				im.note(d, "id 0 keeps what any cluster tells: lvsdr takes %d", cluster.DefaultSyncID)
			} else if ok && n != cluster.DefaultSyncID {
				s.ID = &n
			}
		case "port":
			if n, ok := im.number(d, value, 65535); ok && n != cluster.DefaultSyncPort {
				s.Port = &n
			}
		case "group":
			if a, err := netip.ParseAddr(value); err != nil {
				im.lost(d, "group %s is left out: a multicast address is wanted", shown(value))
			} else if a != cluster.DefaultSyncGroup {
				s.Group = a
			}
		case "maxlen", "ttl":
			im.remark(d, args[0] == "ttl" && value != "1", "%s %s is left out: it is as the kernel has it", []any{args[0], shown(value)})
		default:
			im.lost(d, "lvs_sync_daemon: %s is left out: lvsdr does not know it", shown(args[0]))
		}
	}
	if odd {
		im.lost(d, "lvs_sync_daemon: %s is left out: a value is wanted behind it", shown(args[0]))
	}
}

// syncDaemon is lvs_sync_daemon for a cluster, bound to an instance.
func (x *exporter) syncDaemon(instances []Directive) []Directive {
	all := x.SyncDaemons()
	if len(all) == 0 {
		return nil
	}
	d := all[0]
	words := []string{"lvs_sync_daemon", d.Interface}
	if len(instances) > 0 {
		words = append(words, "inst", instances[0].arg())
	}
	words = append(words, "id", strconv.Itoa(int(d.ID)), "port", strconv.Itoa(int(d.Port)), "group", d.Group.String())
	return []Directive{one(words...).beside("sync of " + x.host.From)}
}
