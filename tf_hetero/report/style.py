"""How the page of a report looks: light, dark, on a phone and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f5f7f9; --line: #d9dfe5; --text: #1b2530; --muted: #5a6876;
  --before: #a9b6c3; --after: #1f6098;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #12171d; --panel: #1a2129; --line: #323d48; --text: #e4e9ee; --muted: #9aa8b5;
    --before: #566575; --after: #6fb3ea;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 68rem; padding: 2rem clamp(1rem, 4vw, 3rem) 3rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { margin: 0; font-size: 2rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 3rem 0 .5rem; font-size: 1.35rem; }
p { margin: .3rem 0; max-width: 46rem; }
.lead { max-width: none; font-size: 1.15rem; }
.box + .note { margin-top: .75rem; }
.note, caption, footer, .axis { color: var(--muted); font-size: .875rem; }
.box { margin-top: 1rem; overflow: auto; }
table { width: 100%; border-collapse: collapse; }
caption { padding-bottom: .4rem; text-align: left; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); }
th { text-align: left; font-weight: 500; }
td, th.number { text-align: right; white-space: nowrap; }
td { font-variant-numeric: tabular-nums; }
td.words { min-width: 7rem; text-align: left; white-space: normal; }
.detail { color: var(--muted); font-size: .875rem; font-weight: 400; }
thead th { font-size: .875rem; color: var(--muted); vertical-align: bottom; }
tr { break-inside: avoid; }
td.changed { font-weight: 600; }
td.same { color: var(--muted); }
.layer { display: grid; grid-template-columns: minmax(7rem, 2fr) 3fr; gap: .2rem 1rem; }
.bars { position: relative; height: 1rem; align-self: center; }
.bars div { position: absolute; left: 0; min-width: 1px; border-radius: 2px; }
.bars .before { top: 0; height: 100%; }
.bars .after { top: 25%; height: 50%; }
.before { background: var(--before); fill: var(--before); }
.after { background: var(--after); fill: var(--after); }
.bars, .swatch { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
figure { margin: 1rem 0; padding: 1rem; border-radius: 8px; background: var(--panel); }
figure img { display: block; max-width: 100%; margin: auto; }
figure svg { display: block; width: 100%; height: 12rem; margin: .25rem 0;
  border-top: 1px dashed var(--line); border-bottom: 1px solid var(--muted); }
.axis { display: flex; justify-content: space-between; gap: 1rem; overflow-wrap: anywhere; }
.swatch { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .8rem;
  border-radius: 2px; vertical-align: -1px; }
.legend { white-space: nowrap; }
.long { max-height: 36rem; border: 1px solid var(--line); border-radius: 8px; }
.long caption { padding: .5rem .5rem .2rem; }
.long thead th { position: sticky; top: 0; background: var(--panel); z-index: 1; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media (max-width: 40rem) {
  body { padding-top: 1.25rem; }
  th, td { padding: .35rem .25rem; font-size: .875rem; }
  td.words { min-width: 5rem; }
  th.number { white-space: normal; }
  .detail { font-size: .8125rem; }
  .layer { grid-template-columns: 1fr; }
  .bars { width: 100%; height: .6rem; }
}
@media (max-width: 24rem) {
  th, td { font-size: .75rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .box { max-height: none; overflow: visible; border: 0; }
  .long thead th { position: static; background: none; }
  h2, h2 + .note, figure { break-after: avoid; break-inside: avoid; }
}
"""
