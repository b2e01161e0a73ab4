package step_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/linux"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Two who write a ledger at once lose no line, in memory and on a disk.
func TestLedgerWriters(t *testing.T) {
	for name, h := range map[string]*host.Host{
		"memory": lvsdrtest.New().Host(), "disk": {Files: linux.OSFiles{Root: t.TempDir()}},
	} {
		t.Run(name, func(t *testing.T) {
			const writers, lines = 4, 25
			var all sync.WaitGroup
			for w := range writers {
				all.Add(1)
				go func() {
					defer all.Done()
					l := step.LedgerOf(h, "web")
					for i := range lines {
						if err := l.Remember(map[string]string{fmt.Sprintf("own %d.%d", w, i): "1"}); err != nil {
							t.Error(err)
						}
					}
				}()
			}
			all.Wait()
			have, err := step.LedgerOf(h, "web").Read()
			if err != nil || len(have) != writers*lines {
				t.Errorf("%d lines, %v, want %d", len(have), err, writers*lines)
			}
		})
	}
}

// A value is whatever it is: the content of a file, for one. A key is one word of it.
func TestLedgerValues(t *testing.T) {
	l := step.LedgerOf(lvsdrtest.New().Host(), "")
	want := map[string]string{
		"own empty": "", "own text": "one\n\ttwo\r\n", "own quoted": `"x"`, "own json": `{"a":"b\\n"}`, "own tab": "a\tb",
	}
	if err := l.Remember(want); err != nil {
		t.Fatal(err)
	}
	if err := l.Remember(map[string]string{"own empty": "later"}); err != nil { // the first stays
		t.Fatal(err)
	}
	if have, err := l.Read(); err != nil || !maps.Equal(have, want) {
		t.Errorf("%q, %v", have, err)
	}
	for _, key := range []string{"own\tkey", "own\nkey"} {
		if err := l.Remember(map[string]string{key: ""}); err == nil {
			t.Errorf("%q is taken", key)
		}
	}
	if err := l.ForgetStep("own"); err != nil {
		t.Fatal(err)
	}
	if have, err := l.Read(); err != nil || len(have) != 0 {
		t.Errorf("%q, %v", have, err)
	}
}
