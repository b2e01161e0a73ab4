package lvsdr

import "context"

// pending stands for a step that is not written yet.
type pending struct{ name string }

func (p pending) Name() string { return p.name }

func (p pending) Plan(context.Context, *Host, State) ([]Change, error) { return nil, nil }
