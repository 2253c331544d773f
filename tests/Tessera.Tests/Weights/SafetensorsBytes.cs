using System.Buffers.Binary;
using System.Text;

namespace Tessera.Tests.Weights;

/// <summary>Safetensors files put together by hand, right and wrong.</summary>
internal static class SafetensorsBytes
{
    /// <summary>Two tensors: <c>a</c>, U8 of 4, and <c>b</c>, F32 of 1 × 2.</summary>
    public static readonly byte[] TwoTensors = Of(
        """{"__metadata__":{"kind":"test"},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}""",
        [1, 2, 3, 4, 0, 0, 128, 63, 0, 0, 0, 64]);

    /// <summary>
    /// Made with Python 3.11's struct and json from the published description of the format: an I64 scalar -7, an F32 of 2 × 3,
    /// a BF16 of 3 with an escaped name, an F16 of 0 × 4 and a BOOL of 3, with metadata, blanks between the JSON's tokens.
    /// </summary>
    public static readonly byte[] FromPython = Convert.FromBase64String(
        """
        yAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6IHsiZm9ybWF0IjogInB0IiwgIm1hZGUgYnkiOiAicHl0aG9uIDMuMTEsIHN0cnVjdCBhbmQganNvbiJ9LCAib3B0
        aW1pc2VyLnN0ZXAiOiB7ImR0eXBlIjogIkk2NCIsICJzaGFwZSI6IFtdLCAiZGF0YV9vZmZzZXRzIjogWzAsIDhdfSwgInBhdGNoX2VtYmVkLnByb2oud2Vp
        Z2h0IjogeyJkdHlwZSI6ICJGMzIiLCAic2hhcGUiOiBbMiwgM10sICJkYXRhX29mZnNldHMiOiBbOCwgMzJdfSwgImdyXHUwMGY2XHUwMGRmZSI6IHsiZHR5
        cGUiOiAiQkYxNiIsICJzaGFwZSI6IFszXSwgImRhdGFfb2Zmc2V0cyI6IFszMiwgMzhdfSwgImxlZXIiOiB7ImR0eXBlIjogIkYxNiIsICJzaGFwZSI6IFsw
        LCA0XSwgImRhdGFfb2Zmc2V0cyI6IFszOCwgMzhdfSwgIm1hc2siOiB7ImR0eXBlIjogIkJPT0wiLCAic2hhcGUiOiBbM10sICJkYXRhX29mZnNldHMiOiBb
        MzgsIDQxXX19ICAgICD5/////////wAAwD8AABDAAAAAAAAAgH/u42wA2w9JQIA/AMDAfwEAAQ==
        """);

    public static byte[] Of(string json, params byte[] content) => Of(Encoding.UTF8.GetBytes(json), content);

    public static byte[] Of(byte[] json, params byte[] content) => Of((ulong)json.Length, json, content);

    public static byte[] Of(ulong claimedLength, byte[] json, params byte[] content)
    {
        var prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, claimedLength);
        return [.. prefix, .. json, .. content];
    }
}
