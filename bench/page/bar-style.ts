/** The colours of the bars, in light and in dark: ours are blue, the others grey, user time is the stronger shade. */
export const BAR_STYLE = `text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12px;fill:#1f2328;paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}
.ground{fill:#ffffff;stroke:#d1d9e0}
.title{font-size:14px;font-weight:600}
.quiet{font-size:11px;fill:#59636e}
.ours{font-weight:700}
.end{text-anchor:end}
.user,.whole{fill:#6e7781}
.system{fill:#b4bcc5}
.ours-user,.ours-whole{fill:#0a58ca}
.ours-system{fill:#6cb0ff}
.line{stroke:#cf222e;stroke-width:1;stroke-dasharray:3 3}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3;stroke:#0d1117}
.ground{fill:#0d1117;stroke:#3d444d}
.quiet{fill:#9198a1}
.user,.whole{fill:#8b949e}
.system{fill:#525b66}
.ours-user,.ours-whole{fill:#58a6ff}
.ours-system{fill:#1f6feb}
.line{stroke:#ff7b72}
}`;
