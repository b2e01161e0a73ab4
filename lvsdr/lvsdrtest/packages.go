package lvsdrtest

import (
	"context"
	"fmt"
	"io/fs"
)

// packages is apt-get, of which a world has keepalived alone.
type packages struct{ *state }

func (s packages) Command(name string) (string, error) { return "apt-get install " + name, nil }

func (s packages) Install(_ context.Context, name string) error {
	if name != "keepalived" {
		return fmt.Errorf("apt-get: E: Unable to locate package %s: %w", name, fs.ErrNotExist)
	}
	s.watch.uninstall = false
	return nil
}
