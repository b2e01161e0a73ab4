package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lastWritten tells when the files, and those in the folders, were last written: another
// answer is a write between the two. What is not there is part of the answer.
func lastWritten(names []string) string {
	var all strings.Builder
	for _, name := range names {
		inside, _ := os.ReadDir(name) // none: it is a file, or not there
		note(&all, name)
		for _, entry := range inside {
			note(&all, filepath.Join(name, entry.Name()))
		}
	}
	return all.String()
}

func note(all *strings.Builder, name string) {
	if info, err := os.Stat(name); err == nil {
		fmt.Fprintln(all, name, info.ModTime().UnixNano(), info.Size())
	}
}
