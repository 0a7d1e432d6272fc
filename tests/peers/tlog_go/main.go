// Judges signed notes and proofs with golang.org/x/mod/sumdb, which shares nothing with ours.
// Reads one JSON task from standard input and prints, for each proof, whether it holds.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Size, Index int64
	Root, Leaf  []byte
	Proof       [][]byte
}

type consistency struct {
	Old, New         int64
	OldRoot, NewRoot []byte
	Proof            [][]byte
}

type task struct {
	Key           string
	Notes         []string
	Inclusions    []inclusion
	Consistencies []consistency
}

func hash(data []byte) (h tlog.Hash) {
	copy(h[:], data)
	return h
}

func hashes(proof [][]byte) (found []tlog.Hash) {
	for _, item := range proof {
		found = append(found, hash(item))
	}
	return found
}

func main() {
	var given task
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verifier, err := note.NewVerifier(given.Key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	notes, inclusions, consistencies := []string{}, []bool{}, []bool{}
	for _, text := range given.Notes {
		opened, err := note.Open([]byte(text), note.VerifierList(verifier))
		if err != nil {
			notes = append(notes, "")
			continue
		}
		notes = append(notes, opened.Text)
	}
	for _, one := range given.Inclusions {
		proof := tlog.RecordProof(hashes(one.Proof))
		err := tlog.CheckRecord(proof, one.Size, hash(one.Root), one.Index, tlog.RecordHash(one.Leaf))
		inclusions = append(inclusions, err == nil)
	}
	for _, one := range given.Consistencies {
		proof := tlog.TreeProof(hashes(one.Proof))
		err := tlog.CheckTree(proof, one.New, hash(one.NewRoot), one.Old, hash(one.OldRoot))
		consistencies = append(consistencies, err == nil)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"notes": notes, "inclusions": inclusions, "consistencies": consistencies,
	})
}
