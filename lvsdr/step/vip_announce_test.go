package step_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// vipNews is interfaces that note what is announced, or refuse to announce.
type vipNews struct {
	*vipFakeLinks
	told   []string
	refuse error
}

func (n *vipNews) Announce(_ context.Context, link string, vips ...netip.Addr) error {
	if n.refuse == nil {
		n.told = append(n.told, fmt.Sprint(link, vips))
	}
	return n.refuse
}

// New VIPs are announced together, once, and made up for when that failed.
func TestVIPAnnounced(t *testing.T) {
	ctx, refused := context.Background(), errors.New("not permitted")
	h := vipHost()
	news := &vipNews{vipFakeLinks: h.Links.(*vipFakeLinks), refuse: refused}
	h.Links = news
	config := vipConfig("", "10.10.10.31")
	config.Services = append(config.Services, cluster.Service{VIP: netip.MustParseAddr("10.10.10.23")})
	role := lvsdr.Role{Name: cluster.DirectorRole, Steps: []step.Step{step.DirectorVIPs(config)}}
	if made, err := role.Up(ctx, h); !errors.Is(err, refused) || len(made) != 2 {
		t.Fatalf("made %v, error %v", vipStrings(made), err)
	}
	news.refuse = nil
	made, err := role.Up(ctx, h)
	want := []string{"add announcement of 10.10.10.22 on eth0", "add announcement of 10.10.10.23 on eth0"}
	if err != nil || !slices.Equal(vipStrings(made), want) {
		t.Errorf("made %v, error %v; want %v", vipStrings(made), err, want)
	}
	if again, err := role.Up(ctx, h); err != nil || len(again) > 0 {
		t.Errorf("and again: %v, %v", vipStrings(again), err)
	}
	if want := []string{"eth0[10.10.10.22 10.10.10.23]"}; !slices.Equal(news.told, want) {
		t.Errorf("announced %v, want %v", news.told, want)
	}
}
