//go:build linux

package gallery

import "context"

// ownFlags are those of a cluster whose director is a real server too.
const ownFlags = "--vip 10.10.10.22 -r 10.10.10.30 -r 10.10.10.31 -r 10.10.10.32"

// itsOwnServer makes that cluster by hand.
func itsOwnServer(ctx context.Context, c *Cluster) error {
	c.Flags = ownFlags
	if err := byHand(ctx, c, handTable+"\nipvsadm -a -t 10.10.10.22:80 -r 10.10.10.30 -g"); err != nil {
		return err
	}
	return c.Serve("dev-1", ":80")
}

var ownFaults = []Fault{{
	Name: "own-server-stopped", Setup: "-",
	Title:  "a director is a real server too, and no server runs on it",
	Make:   itsOwnServer,
	Inject: serving("dev-1", ""),
	Sights: []Sight{{Host: "dev-1", Code: "listener"}, {Host: "client", Code: "replies"}},
	Heal:   serving("dev-1", ":80"),
}}

var ownVariants = []Healthy{{
	Name: "own-real-server", Title: "a director that is a real server too", Setup: "-", Make: itsOwnServer,
}}
