package firewall

import "strings"

// refuses tells why firewalld, before 2.0, changes nothing on disk for lvsdr, and the way
// out; empty where it does. In lockdown it listens to whom its whitelist names
// (firewalld.lockdown-whitelist(5)): as it comes, that is root.
func (d *firewalldBus) refuses(zone string) (string, error) {
	var lockdown bool
	if d.call(firewalldPath, ".policies.queryLockdown", &lockdown) != nil || !lockdown {
		return "", nil // a firewalld without it
	}
	// It asks who calls before it finds that the zone has no such service
	// (removeService in its server/config_zone.py).
	err := d.zone(zone, ".removeService", nil, firewallMark+"-none")
	if err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") {
		return "", d.ctx.Err()
	}
	return `firewalld is in lockdown and takes nothing from root: have /etc/firewalld/lockdown-whitelist.xml list <user id="0"/>, ` +
		"and run firewall-cmd --reload", nil
}
