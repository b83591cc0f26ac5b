#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_model.sh PROGRAM MODEL: the comparison on a model, small; it resumes, ends in the same numbers, and refuses what it cannot use.
set -eu
program=$1 model=$2
if ! test -d "$model"; then
  echo "skipped: there is no $model"
  exit 0
fi
rm -rf model
refused() {  # by one sentence with status 2, and nothing is written
  status=0
  "$program" --work model/work --markdown model/page.md "$@" 2> refusal.txt || status=$?
  test $status = 2
  test "$(wc -l < refusal.txt)" = 1
  test ! -e model
}
refused --no-world
refused --tiny --no-world --model nowhere

compare() { "$program" --tiny --no-world --model "$model" --threads 1 --work "$1" --markdown "$1/page.md" > "$1.txt"; }
mkdir model
compare model/one
for file in figures/page-model.svg model/frontier.tsv page.md; do test -s model/one/$file; done
grep -q '^## On a pretrained model' model/one/page.md
for method in DPO IPO KTO 'DPO and unlikelihood' 'PPO, learned reward' 'PPO, true reward' 'RLOO, learned reward' 'best of N, true reward'; do
  grep -q "^| $method | [1-4] | [0-2] | [0-9]* | [0-9.]* |" model/one/page.md  # with memory that was measured
done
if grep -i '[^a-z]nan[^a-z]' model/one/page.md; then exit 1; fi

cp -r model/one model/two
rm model/two/model/cells/dpo_* model/two/model/frontier.tsv model/two/page.md
compare model/two
cmp model/one/model/frontier.tsv model/two/model/frontier.tsv
cmp model/one/figures/page-model.svg model/two/figures/page-model.svg
