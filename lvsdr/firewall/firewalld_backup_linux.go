package firewall

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// firewalld writes a file of its own zone into /etc when somebody changes it, and of a file
// that is there a backup. What was there before is noted in our services, so that teardown
// leaves neither behind.

// removeBackup removes what firewalld keeps of a file that it has changed or removed,
// where there was none before ours.
func removeBackup(name string) error {
	err := os.Remove(firewalldFolder + name + ".xml.old")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// noteFile notes it when the zone has no file in /etc, or no backup of it.
func (d *firewalldBus) noteFile(zone string, disk *firewalldDisk) error {
	if len(disk.zones[zone]) > 0 {
		return nil // it is noted, or it had both
	}
	var there [2]bool
	for i, end := range []string{".xml", ".xml.old"} {
		_, err := os.Lstat(firewalldFolder + "zones/" + zone + end)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		there[i] = err == nil
	}
	note := hadNoFile(zone)
	if there[0] {
		note = hadNoBackup(zone)
	}
	if !there[1] && !slices.Contains(disk.notes, note) {
		disk.notes = append(disk.notes, note)
	}
	return nil
}

// forgetBackup removes the backup that our own last change of the zone has left, where
// there was none before: it has what was ours.
func forgetBackup(zone string) error {
	text, err := os.ReadFile(firewalldFolder + "zones/" + zone + ".xml.old")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !ourServiceUsed().Match(text) && !strings.Contains(string(text), "fragmentation-needed") && !strings.Contains(string(text), "packet-too-big") {
		return nil
	}
	return removeBackup("zones/" + zone)
}

// ourServiceUsed finds a service of ours in a zone's file.
var ourServiceUsed = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`<service name="lvsdr(-[0-9]+)?"/>`) })

// giveBack removes the zone's file in /etc when nobody else has changed the zone.
func (d *firewalldBus) giveBack(zone string) error {
	before, after := settings{}, settings{}
	if err := d.zone(zone, ".getSettings2", &before); err != nil {
		return err
	}
	if err := d.zone(zone, ".loadDefaults", nil); err != nil {
		return err
	}
	if err := d.zone(zone, ".getSettings2", &after); err != nil {
		return err
	}
	if fmt.Sprint(before) != fmt.Sprint(after) {
		return d.zone(zone, ".update2", nil, before)
	}
	return removeBackup("zones/" + zone)
}
