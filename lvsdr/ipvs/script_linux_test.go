package ipvs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// TestParseScriptOfIpvsadm reads what the real ipvsadm -S -n writes of each table that
// TestKernelKeepsWhatWasWritten makes in a kernel: it leaves out the thresholds alone.
func TestParseScriptOfIpvsadm(t *testing.T) {
	for _, test := range kernelCases {
		s, err := ipvs.ParseScript(strings.Join(test.ipvsadm, "\n"))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		want := test.entry
		want.Destinations = slices.Clone(want.Destinations)
		for i := range want.Destinations {
			want.Destinations[i].UpperThreshold, want.Destinations[i].LowerThreshold = 0, 0
		}
		if len(s.Entries) != 1 || !sameEntry(s.Entries[0], want) {
			t.Errorf("%s:\nread %+v\nwant %+v", test.name, s.Entries, want)
		}
	}
}
