using System.Text.Encodings.Web;
using System.Text.Json;
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
}
