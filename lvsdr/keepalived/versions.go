package keepalived

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// A Version is one of keepalived: 2.2.7.
type Version [3]int

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Before tells whether v is older.
func (v Version) Before(other Version) bool { return slices.Compare(v[:], other[:]) < 0 }

var versionLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^Keepalived v(\d+)\.(\d+)\.(\d+)`)
})

// ParseVersion reads what keepalived --version says; false where that is of another form.
func ParseVersion(text string) (v Version, ok bool) {
	m := versionLine().FindStringSubmatch(text)
	if m == nil {
		return v, false
	}
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1])
	}
	return v, true
}

// A Need is a part of a description that keepalived has from a version on.
type Need struct {
	Path  string // the key
	What  string // the word of keepalived.conf
	Since Version
}

// The versions from which keepalived has what [Engine] and [VRRP] write: by its ChangeLog
// up to 2.1.0, the later ones by its release notes and manuals. What older ones lack
// besides keepalived -t tells.
var (
	// sinceNames: process_name and its like, by which lvsdr's own processes are known.
	sinceNames = Version{2, 0, 16}
	// sinceMH: mh-port and mh-fallback, which before were unknown words.
	sinceMH = Version{2, 0, 20}
	// sinceHMAC: auth_hmac.
	sinceHMAC = Version{2, 4, 2}
)

// Needs are what a description needs of keepalived that not every version has.
func Needs(c cluster.Config) (all []Need) {
	if c.Keepalived() {
		all = append(all, Need{"engine", "process_name", sinceNames})
	}
	if c.VRRP != nil {
		all = append(all, Need{"vrrp", "vrrp_process_name", sinceNames})
	}
	if c.VRRP != nil && c.VRRP.AuthHMAC != "" {
		all = append(all, Need{"vrrp.authHmac", "auth_hmac", sinceHMAC})
	}
	for i, s := range c.Services {
		if !c.Keepalived() {
			break
		}
		for _, v := range (cluster.Config{Services: []cluster.Service{s}}).VirtualServices() {
			if names := v.Flags.Of(v.Scheduler); v.Scheduler == "mh" && len(names) > 0 {
				all = append(all, Need{fmt.Sprintf("services[%d].scheduler", i), strings.Join(names, " and "), sinceMH})
				break
			}
		}
	}
	return all
}

// Lacks are the needs that a version does not meet, the newest first.
func (v Version) Lacks(needs []Need) []Need {
	lacks := slices.DeleteFunc(slices.Clone(needs), func(n Need) bool { return !v.Before(n.Since) })
	slices.SortStableFunc(lacks, func(a, b Need) int { return slices.Compare(b.Since[:], a.Since[:]) })
	return lacks
}
