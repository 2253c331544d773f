using System.Text;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

/// <summary>Headers that lie. Each stands before 12 bytes of content.</summary>
public sealed class SafetensorsHeaderTests
{
    private const int ContentLength = 12;

    [Theory]
    [InlineData("", "its header does not begin with '{'.")]
    [InlineData("[]", "its header does not begin with '{'.")]
    [InlineData(" {}", "its header does not begin with '{'.")]
    [InlineData("{}", "12 bytes at its end belong to no tensor.")]
    [InlineData("""{"a":1}""", "tensor 'a': its description is not an object.")]
    [InlineData("""{"a":null}""", "tensor 'a': its description is not an object.")]
    [InlineData("""{"__metadata__":[]}""", "its __metadata__ is not an object.")]
    [InlineData("""{"__metadata__":null}""", "its __metadata__ is not an object.")]
    [InlineData("""{"__metadata__":{"epochs":3}}""", "its __metadata__ 'epochs' is not a string.")]
    [InlineData("""{"__metadata__":{"a":{"b":"c"}}}""", "its __metadata__ 'a' is not a string.")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", "its __metadata__ has 'a' twice.")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", "its header has __metadata__ twice.")]
    public void Refuses_What_Is_Not_A_Header(string json, string message) => Refused(json, message);

    [Theory]
    [InlineData("""{"a":{"shape":[12],"data_offsets":[0,12]}}""", "tensor 'a': it has no dtype.")]
    [InlineData("""{"a":{"dtype":"U8","data_offsets":[0,12]}}""", "tensor 'a': it has no shape.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12]}}""", "tensor 'a': it has no data_offsets.")]
    [InlineData("""{"a":{"dtype":"U8","dtype":"I8","shape":[12],"data_offsets":[0,12]}}""", "tensor 'a': its dtype is given twice.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"shape":[12],"data_offsets":[0,12]}}""", "tensor 'a': its shape is given twice.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"strides":[1],"data_offsets":[0,12]}}""", "tensor 'a': its field 'strides' is unknown, and may change what the bytes mean.")]
    [InlineData("""{"a":{"dtype":8,"shape":[12],"data_offsets":[0,12]}}""", "tensor 'a': its dtype is not a string.")]
    [InlineData("""{"a":{"dtype":"u8","shape":[12],"data_offsets":[0,12]}}""", "tensor 'a': its dtype 'u8' is not one of the format's types.")]
    [InlineData("""{"a":{"dtype":"F4","shape":[24],"data_offsets":[0,12]}}""", "tensor 'a': its dtype F4 has elements smaller than a byte, which this reader does not support.")]
    [InlineData("""{"a":{"dtype":"U8","shape":12,"data_offsets":[0,12]}}""", "tensor 'a': its shape is not a list.")]
    [InlineData("""{"a":{"dtype":"U8","shape":["12"],"data_offsets":[0,12]}}""", "tensor 'a': its shape holds something other than whole numbers from 0 to 2^63 - 1.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12.0],"data_offsets":[0,12]}}""", "tensor 'a': its shape holds something other than whole numbers from 0 to 2^63 - 1.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[-3,-4],"data_offsets":[0,12]}}""", "tensor 'a': its shape holds something other than whole numbers from 0 to 2^63 - 1.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[18446744073709551628],"data_offsets":[0,12]}}""", "tensor 'a': its shape holds something other than whole numbers from 0 to 2^63 - 1.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1e1,2],"data_offsets":[0,20]}}""", "tensor 'a': its shape holds something other than whole numbers from 0 to 2^63 - 1.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296,12],"data_offsets":[0,12]}}""", "tensor 'a': its shape [4294967296, 4294967296, 12] has more bytes than can be counted.")]
    [InlineData("""{"a":{"dtype":"F64","shape":[1152921504606846976],"data_offsets":[0,12]}}""", "tensor 'a': its shape [1152921504606846976] has more bytes than can be counted.")]
    public void Refuses_A_Tensor_Described_Wrongly(string json, string message) => Refused(json, message);

    [Theory]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0]}}""", "tensor 'a': its data_offsets hold 1 numbers instead of 2.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12,12]}}""", "tensor 'a': its data_offsets holds more than 2 numbers.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[12,0]}}""", "tensor 'a': its data_offsets [12, 0] run backwards.")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}""", "tensor 'a': its shape [4] of F32 takes 16 bytes, but its data_offsets [0, 12] span 12.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,12]}}""", "tensor 'a': its shape [0] of U8 takes 0 bytes, but its data_offsets [0, 12] span 12.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[13],"data_offsets":[0,13]}}""", "tensor 'a': its bytes end at 13, but only 12 follow the header: the file may be cut short.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}""", "tensor 'a': its bytes end at 9223372036854775807, but only 12 follow the header: the file may be cut short.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[11],"data_offsets":[1,12]}}""", "tensor 'a': its bytes begin at 1, but the tensor before it ends at 0: no tensor owns the gap.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[11],"data_offsets":[0,11]}}""", "1 bytes at its end belong to no tensor.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[5],"data_offsets":[7,12]}}""", "tensor 'b': its bytes begin at 7, inside the tensor before it, which ends at 8.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]},"b":{"dtype":"U8","shape":[12],"data_offsets":[0,12]}}""", "tensor 'b': its bytes begin at 0, inside the tensor before it, which ends at 12.")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]},"a":{"dtype":"U8","shape":[0],"data_offsets":[12,12]}}""", "tensor 'a': it is described twice.")]
    public void Refuses_Bytes_Placed_Wrongly(string json, string message) => Refused(json, message);

    [Theory]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]}""")] // not closed
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]}}x""")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]}}{}""")]
    [InlineData("""{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]},}""")]
    [InlineData("""{"a":{"dtype":"U8","shape":[[12]],"data_offsets":[0,12]}}""")] // nested too deep
    [InlineData("""{"a\ud800":{"dtype":"U8","shape":[12],"data_offsets":[0,12]}}""")] // half a surrogate pair
    [InlineData("""{"a":{"dtype":"\udc00","shape":[12],"data_offsets":[0,12]}}""")]
    [InlineData("""{/* a comment */}""")]
    [InlineData("""{"a":{"dtype":NaN}}""")]
    public void Refuses_What_Is_Not_Json(string json) =>
        Message(Encoding.UTF8.GetBytes(json)).ShouldStartWith("m.safetensors cannot be read as safetensors: its header is not valid JSON (");

    [Fact]
    public void Refuses_A_Header_That_Is_Not_Utf8() =>
        Message([(byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'1', (byte)'}']).ShouldBe("m.safetensors cannot be read as safetensors: its header is not UTF-8.");

    [Fact]
    public void Refuses_More_Dimensions_Than_Any_Library_Has()
    {
        var sides = string.Join(',', Enumerable.Repeat(1, 65));

        Refused($$$"""{"a":{"dtype":"U8","shape":[{{{sides}}}],"data_offsets":[0,1]}}""", "tensor 'a': its shape holds more than 64 numbers.");
    }

    [Fact]
    public void Survives_Nesting_As_Deep_As_A_Header_Can_Be() =>
        Message(Encoding.UTF8.GetBytes("{\"a\":" + new string('[', 5_000_000))).ShouldContain("tensor 'a': its description is not an object.");

    [Fact]
    public void Shows_A_Hostile_Name_On_One_Line_And_Not_Whole()
    {
        var message = Message(Encoding.UTF8.GetBytes($$"""{"\n\u001b[31m{{new string('x', 1000)}}":1}"""));

        message.ShouldContain(@"tensor '\u000a\u001b[31mxxx");
        message.Length.ShouldBeLessThan(300);
        message.ShouldNotContain('\n');
    }

    private static void Refused(string json, string message) =>
        Message(Encoding.UTF8.GetBytes(json)).ShouldBe($"m.safetensors cannot be read as safetensors: {message}");

    private static string Message(byte[] json) =>
        Should.Throw<SafetensorsException>(() => SafetensorsHeader.Parse("m.safetensors", json, ContentLength)).Message;
}
