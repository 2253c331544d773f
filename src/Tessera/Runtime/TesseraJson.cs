using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Tessera.Runtime;

/// <summary>How everything of Tessera's is written as JSON: models' descriptions, options, reports.</summary>
public static class TesseraJson
{
    /// <summary>
    /// camelCase names, enumerations as kebab-case words, indented. Reading refuses a member that is not known, and null where none is meant.
    /// </summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // none of it is put into HTML, and people read "pixels+views" and their folders' names
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, // a perfect restoration's PSNR is infinite
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        IgnoreReadOnlyProperties = true,
        NewLine = "\n",
    };

    /// <summary>What a value holds, each by its path as JSON has it (<c>training.epochs</c>); a list is one.</summary>
    public static IEnumerable<KeyValuePair<string, JsonNode?>> Leaves<T>(T value) => Leaves("", JsonSerializer.SerializeToNode(value, Options));

    private static IEnumerable<KeyValuePair<string, JsonNode?>> Leaves(string path, JsonNode? node) => node is JsonObject group
        ? group.SelectMany(member => Leaves($"{path}{(path.Length > 0 ? "." : "")}{member.Key}", member.Value))
        : [new(path, node)];
}
