//! Every client as data: where its files lie on each operating system, and where in them the servers stand.
//!
//! Facts: the clients' own documentation and sources, and the tables of other programs that know many clients
//! (toolhive's `pkg/client/config.go`, the Docker MCP toolkit's `pkg/client/config.yml`).

use super::Step::{Each, Key};
use super::{Client, File, Paths, Scope, Step};
use crate::edit::Format::{Json, Toml, Yaml};

/// Where most clients have their servers.
const MCP_SERVERS: &[&[Step]] = &[&[Key("mcpServers")]];

pub const CLIENTS: &[Client] = &[
    Client {
        name: "claude-desktop",
        title: "Claude Desktop",
        files: &[user(
            Json,
            // There is no official one for Linux; the unofficial ones differ in the case of the folder.
            Paths {
                linux: &[
                    "{config}/Claude/claude_desktop_config.json",
                    "{config}/claude/claude_desktop_config.json",
                ],
                ..all(&["{config}/Claude/claude_desktop_config.json"])
            },
            MCP_SERVERS,
        )],
        rewrites: false,
    },
    Client {
        name: "claude-code",
        title: "Claude Code",
        files: &[
            user(
                Json,
                all(&["{claude}/.claude.json"]),
                // Of the user, and of the user in one folder ("local").
                &[&[Key("mcpServers")], &[Key("projects"), Each, Key("mcpServers")]],
            ),
            project(Json, &["{project}/.mcp.json"], MCP_SERVERS),
            File {
                scope: Scope::Managed,
                format: Json,
                paths: Paths {
                    linux: &["/etc/claude-code/managed-mcp.json"],
                    macos: &["/Library/Application Support/ClaudeCode/managed-mcp.json"],
                    windows: &["{programdata}/ClaudeCode/managed-mcp.json"],
                },
                servers: MCP_SERVERS,
            },
        ],
        rewrites: true,
    },
    Client {
        name: "cursor",
        title: "Cursor",
        files: &[
            user(Json, all(&["{home}/.cursor/mcp.json"]), MCP_SERVERS),
            project(Json, &["{project}/.cursor/mcp.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "vscode",
        title: "VS Code",
        files: &[
            user(
                Json,
                all(&[
                    "{config}/Code/User/mcp.json",
                    "{config}/Code/User/profiles/*/mcp.json",
                    "{config}/Code - Insiders/User/mcp.json",
                    "{config}/Code - Insiders/User/profiles/*/mcp.json",
                    "{config}/VSCodium/User/mcp.json",
                    "{home}/.vscode-server/data/User/mcp.json",
                ]),
                &[&[Key("servers")]],
            ),
            // Where they stood until they got a file of their own.
            user(
                Json,
                all(&[
                    "{config}/Code/User/settings.json",
                    "{config}/Code - Insiders/User/settings.json",
                ]),
                &[&[Key("mcp"), Key("servers")]],
            ),
            project(Json, &["{project}/.vscode/mcp.json"], &[&[Key("servers")]]),
        ],
        rewrites: false,
    },
    Client {
        name: "windsurf",
        title: "Windsurf",
        files: &[user(
            Json,
            all(&[
                "{home}/.codeium/windsurf/mcp_config.json",
                "{home}/.codeium/mcp_config.json",
            ]),
            MCP_SERVERS,
        )],
        rewrites: false,
    },
    Client {
        name: "zed",
        title: "Zed",
        files: &[
            user(
                Json,
                Paths {
                    macos: &["{home}/.config/zed/settings.json"],
                    windows: &["{config}/Zed/settings.json"],
                    linux: &["{config}/zed/settings.json"],
                },
                &[&[Key("context_servers")]],
            ),
            project(
                Json,
                &["{project}/.zed/settings.json"],
                &[&[Key("context_servers")]],
            ),
        ],
        rewrites: false,
    },
    Client {
        name: "codex",
        title: "Codex",
        files: &[
            user(
                Toml,
                all(&["{codex}/config.toml"]),
                &[
                    &[Key("mcp_servers")],
                    &[Key("profiles"), Each, Key("mcp_servers")],
                ],
            ),
            project(Toml, &["{project}/.codex/config.toml"], &[&[Key("mcp_servers")]]),
        ],
        rewrites: false,
    },
    Client {
        name: "gemini",
        title: "Gemini CLI",
        files: &[
            user(Json, all(&["{home}/.gemini/settings.json"]), MCP_SERVERS),
            project(Json, &["{project}/.gemini/settings.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "continue",
        title: "Continue",
        files: &[
            user(
                Yaml,
                all(&[
                    "{home}/.continue/config.yaml",
                    "{home}/.continue/mcpServers/*.yaml",
                    "{home}/.continue/mcpServers/*.yml",
                ]),
                MCP_SERVERS,
            ),
            user(
                Json,
                all(&[
                    "{home}/.continue/mcpServers/*.json",
                    "{home}/.continue/config.json",
                ]),
                MCP_SERVERS,
            ),
            project(
                Yaml,
                &[
                    "{project}/.continue/mcpServers/*.yaml",
                    "{project}/.continue/mcpServers/*.yml",
                ],
                MCP_SERVERS,
            ),
            project(Json, &["{project}/.continue/mcpServers/*.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "cline",
        title: "Cline",
        files: &[user(
            Json,
            all(&[
                "{config}/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                "{config}/Code - Insiders/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                "{config}/Cursor/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
            ]),
            MCP_SERVERS,
        )],
        rewrites: false,
    },
    Client {
        name: "roo",
        title: "Roo Code",
        files: &[
            user(
                Json,
                all(&[
                    "{config}/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
                    "{config}/Code - Insiders/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
                    "{config}/Cursor/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
                ]),
                MCP_SERVERS,
            ),
            project(Json, &["{project}/.roo/mcp.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "goose",
        title: "Goose",
        files: &[user(
            Yaml,
            Paths {
                linux: &["{config}/goose/config.yaml"],
                macos: &["{home}/.config/goose/config.yaml"],
                windows: &["{config}/Block/goose/config/config.yaml"],
            },
            &[&[Key("extensions")]],
        )],
        rewrites: false,
    },
    Client {
        name: "lm-studio",
        title: "LM Studio",
        files: &[user(
            Json,
            all(&["{home}/.lmstudio/mcp.json", "{home}/.cache/lm-studio/mcp.json"]),
            MCP_SERVERS,
        )],
        rewrites: false,
    },
    Client {
        name: "junie",
        title: "JetBrains Junie",
        files: &[
            user(Json, all(&["{home}/.junie/mcp/mcp.json"]), MCP_SERVERS),
            project(Json, &["{project}/.junie/mcp/mcp.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "kiro",
        title: "Kiro",
        files: &[
            user(Json, all(&["{home}/.kiro/settings/mcp.json"]), MCP_SERVERS),
            project(Json, &["{project}/.kiro/settings/mcp.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "opencode",
        title: "OpenCode",
        files: &[
            user(
                Json,
                Paths {
                    linux: &[
                        "{config}/opencode/opencode.json",
                        "{config}/opencode/opencode.jsonc",
                    ],
                    ..all(&[
                        "{home}/.config/opencode/opencode.json",
                        "{home}/.config/opencode/opencode.jsonc",
                    ])
                },
                &[&[Key("mcp")]],
            ),
            project(
                Json,
                &["{project}/opencode.json", "{project}/opencode.jsonc"],
                &[&[Key("mcp")]],
            ),
        ],
        rewrites: false,
    },
    Client {
        name: "amp",
        title: "Amp",
        files: &[
            user(
                Json,
                Paths {
                    linux: &["{config}/amp/settings.json"],
                    ..all(&["{home}/.config/amp/settings.json"])
                },
                &[&[Key("amp.mcpServers")]],
            ),
            project(
                Json,
                &["{project}/.amp/settings.json"],
                &[&[Key("amp.mcpServers")]],
            ),
        ],
        rewrites: false,
    },
    Client {
        name: "copilot",
        title: "Copilot CLI",
        files: &[user(Json, all(&["{copilot}/mcp-config.json"]), MCP_SERVERS)],
        rewrites: false,
    },
    Client {
        name: "antigravity",
        title: "Antigravity",
        files: &[user(
            Json,
            all(&["{home}/.gemini/antigravity/mcp_config.json"]),
            MCP_SERVERS,
        )],
        rewrites: false,
    },
    Client {
        name: "crush",
        title: "Crush",
        files: &[
            user(
                Json,
                Paths {
                    linux: &["{config}/crush/crush.json"],
                    ..all(&["{home}/.config/crush/crush.json"])
                },
                &[&[Key("mcp")]],
            ),
            project(
                Json,
                &["{project}/crush.json", "{project}/.crush.json"],
                &[&[Key("mcp")]],
            ),
        ],
        rewrites: false,
    },
    Client {
        name: "amazon-q",
        title: "Amazon Q",
        files: &[
            user(Json, all(&["{home}/.aws/amazonq/mcp.json"]), MCP_SERVERS),
            project(Json, &["{project}/.amazonq/mcp.json"], MCP_SERVERS),
        ],
        rewrites: false,
    },
    Client {
        name: "factory",
        title: "Factory",
        files: &[user(Json, all(&["{home}/.factory/mcp.json"]), MCP_SERVERS)],
        rewrites: false,
    },
    Client {
        name: "kimi",
        title: "Kimi CLI",
        files: &[user(Json, all(&["{home}/.kimi/mcp.json"]), MCP_SERVERS)],
        rewrites: false,
    },
    Client {
        name: "vibe",
        title: "Mistral Vibe",
        files: &[user(
            Toml,
            all(&["{home}/.vibe/config.toml"]),
            &[&[Key("mcp_servers")]],
        )],
        rewrites: false,
    },
];

const fn user(format: crate::edit::Format, paths: Paths, servers: &'static [&'static [Step]]) -> File {
    File {
        scope: Scope::User,
        format,
        paths,
        servers,
    }
}

const fn project(
    format: crate::edit::Format,
    paths: &'static [&'static str],
    servers: &'static [&'static [Step]],
) -> File {
    File {
        scope: Scope::Project,
        format,
        paths: all(paths),
        servers,
    }
}

/// The same on every operating system.
const fn all(paths: &'static [&'static str]) -> Paths {
    Paths {
        linux: paths,
        macos: paths,
        windows: paths,
    }
}
