package main

// nearest returns the candidate that is the fewest edits away from word, none
// when every one of them differs in more than a third of its letters.
func nearest(word string, candidates []string) string {
	best, found := len(word), ""
	for _, c := range candidates {
		if d := edits(word, c); d < best && d <= max(1, (len(c)+2)/3) {
			best, found = d, c
		}
	}
	return found
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
