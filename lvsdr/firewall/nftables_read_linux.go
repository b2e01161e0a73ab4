package firewall

import (
	"context"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"github.com/lvsdr/toolkit/lvsdr/filter"
)

// readNft calls look with a view of the rules, and again when it fails because
// they changed under it. A kernel without nf_tables has no chains.
func readNft(ctx context.Context, look func(*nftView) error) error {
	return filter.Nftables(ctx, func() error { return lookAtNft(look) })
}

func lookAtNft(look func(*nftView) error) error {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(nftSocket))
	if err != nil {
		return err
	}
	defer conn.CloseLasting()
	v := &nftView{
		conn: conn, tables: map[nftTable]bool{}, chains: map[nftChain]*nftables.Chain{},
		rules: map[nftChain][]*nftables.Rule{}, drops: map[nftChain]bool{},
	}
	if err := v.readTables(); err != nil {
		return err
	}
	return look(v)
}

// nftSocket makes room for a transaction of some ten thousand services, and has
// a reply that never comes be an error.
func nftSocket(c *netlink.Conn) error {
	if err := c.SetWriteBuffer(4 << 20); err != nil {
		return err
	}
	return c.SetDeadline(time.Now().Add(30 * time.Second))
}
