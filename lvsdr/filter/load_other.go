//go:build !linux

package filter

import (
	"context"
	"errors"
)

// Load fails: only Linux has these filters.
func Load(context.Context) (*Ruleset, error) { return nil, errors.ErrUnsupported }
