package step

import (
	"context"
	"maps"
	"slices"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// restores returns the changes that bring back the values before of the keys that
// are on record and not wanted any more. A value that somebody has changed since
// is left alone.
func (l *sysctlLook) restores() []Change {
	before := l.before()
	var changes []Change
	forwarding := l.owed(host.IPForward, before)
	for _, key := range slices.Sorted(maps.Keys(before)) {
		off, side := sideEffect(key)
		switch {
		case l.wants(key) || side && (l.wants(host.IPForward) || forwarding):
			continue // to stay, or to follow ip_forward
		case side && l.live[key] == off && before[key] != off || l.owed(key, before):
			changes = append(changes, l.restore(key, before))
		default:
			changes = append(changes, l.forget(key)...)
		}
	}
	return changes
}

// owed tells whether lvsdr has set the key and has to set it back.
func (l *sysctlLook) owed(key string, before map[string]string) bool {
	value, ok := before[key]
	return ok && !l.wants(key) && l.live[key] != value && l.ours(key)
}

func (l *sysctlLook) restore(key string, before map[string]string) Change {
	keys := []string{key}
	if key == host.IPForward {
		keys = append(keys, l.sideEffects(before)...)
	}
	return Change{
		Step: Sysctls, Op: Set, Object: host.SysctlName(key), From: l.live[key], To: before[key],
		Do: func(context.Context) error {
			for _, key := range keys {
				if err := l.h.Sysctl.Set(key, before[key]); err != nil {
					return err
				}
			}
			return l.strike(keys...)
		},
	}
}

// sideEffects returns the keys on record that ip_forward's change overwrites, if
// they are still there.
func (l *sysctlLook) sideEffects(before map[string]string) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		_, side := sideEffect(key)
		if _, there := l.live[key]; side && there {
			keys = append(keys, key)
		}
	}
	return keys
}

// forget returns the change that strikes a key out of the ledger to which nothing
// is owed.
func (l *sysctlLook) forget(key string) []Change {
	if _, ok := l.ledger[key]; !ok {
		return nil
	}
	return []Change{{
		Step: Sysctls, Op: Remove, Object: "record of " + host.SysctlName(key), From: l.ledger[key],
		Do: func(context.Context) error { return l.strike(key) },
	}}
}

func (l *sysctlLook) strike(keys ...string) error {
	lines := make([]string, len(keys))
	for i, key := range keys {
		lines[i] = sysctlKey(key)
	}
	return LedgerOf(l.h, l.role).Forget(lines...)
}
